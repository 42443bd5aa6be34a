"""Drawn people: scenes that are a function of a seed, an index and a time.

`habits` and `pose` give joint angles; `anatomy` and `body` make them points in space. `placement` and `scene`
put people and objects before a camera; `visibility` tells what hides what. `looks` dresses people, and
`shapes`, `person`, `head`, `backdrop` and `picture` draw everything.
"""
