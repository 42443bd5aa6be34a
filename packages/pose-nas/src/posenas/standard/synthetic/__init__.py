"""Drawn people: scenes that are a function of a seed and an index, in videos also of a time.

`habits` and `pose` give joint angles; `anatomy` and `body` make them points in space. `placement`, `cast` and
`scene` put people and objects before a camera; `visibility` and `labels` tell what a picture shows of them.
`looks` dresses people, and `shapes`, `person`, `head`, `backdrop`, `photograph` and `picture` draw it all.
`motion`, `gait` and `camera` move people and camera; `video` cuts shots and spoils frames.
"""
