"""Habits of arms, legs and trunks: means and spreads of joint angles, in degrees."""

from __future__ import annotations

ARM_HABITS = (
    # weight, then mean and spread in degrees of: flexion, abduction, inward twist, elbow
    (0.44, (0, 12), (10, 7), (0, 25), (12, 12)),  # hanging
    (0.14, (32, 12), (6, 6), (15, 15), (55, 25)),  # swung forward
    (0.10, (-30, 12), (10, 6), (0, 15), (40, 25)),  # swung back
    (0.12, (165, 15), (8, 15), (0, 30), (25, 25)),  # raised
    (0.10, (0, 20), (88, 15), (0, 50), (25, 30)),  # stretched out
    (0.08, (-15, 8), (45, 8), (60, 10), (95, 10)),  # hand on the hip
    (0.04, (35, 10), (5, 8), (70, 10), (95, 12)),  # folded
    (0.06, (85, 20), (5, 18), (0, 30), (20, 20)),  # reaching
    (0.04, (45, 15), (25, 15), (20, 20), (135, 10)),  # hand at the face
    (0.02, (50, 55), (35, 35), (0, 50), (60, 40)),  # anything
)
HAND_HABIT = ((35, 40), (0, 20), (22, 18), (1, 0.4))
"""The mean and spread of pronation, wrist, finger curl (degrees) and spread of the fingers (a factor)."""

# flexion, abduction, outward turn, knee, ankle
_STRAIGHT = ((2, 5), (5, 4), (8, 8), (4, 5), (0, 5))
_RESTED_ON = ((0, 4), (6, 4), (8, 8), (3, 4), (0, 4))
_AT_EASE = ((16, 6), (8, 5), (14, 9), (32, 10), (8, 5))
_STEPPING = ((28, 8), (2, 3), (5, 6), (10, 8), (0, 8))
_TRAILING = ((-18, 7), (2, 3), (5, 6), (20, 10), (-14, 9))
_RUNNING = ((60, 15), (1, 4), (2, 6), (80, 20), (5, 8))
_PUSHING_OFF = ((-20, 10), (1, 4), (2, 6), (50, 30), (-20, 10))
_LUNGING = ((75, 12), (6, 6), (6, 8), (80, 15), (5, 6))
_LUNGED_FROM = ((-25, 10), (6, 6), (6, 8), (20, 15), (-20, 10))
_SQUATTING = ((95, 20), (18, 10), (20, 12), (105, 25), (20, 6))
_SITTING = ((85, 10), (8, 8), (5, 8), (85, 20), (0, 8))
_APART = ((5, 10), (28, 10), (15, 10), (8, 8), (-10, 12))
_KICKING = ((75, 25), (15, 15), (0, 10), (20, 20), (-15, 12))
_KICKED_FROM = ((0, 8), (4, 4), (8, 8), (12, 10), (0, 6))
_TUCKED = ((50, 25), (15, 12), (5, 10), (80, 30), (-20, 15))
_STIFF = ((8, 12), (6, 5), (8, 8), (12, 12), (0, 6))
_KNEE_UP = ((82, 8), (8, 6), (6, 8), (92, 10), (0, 6))
_KNEE_DOWN = ((-5, 8), (6, 5), (4, 6), (95, 12), (-30, 10))

LEG_HABITS = (
    # weight, the trunk's lean and bend, both legs (either may be the left)
    (0.35, (0, 3), (3, 6), _STRAIGHT, _STRAIGHT),
    (0.18, (0, 3), (3, 6), _RESTED_ON, _AT_EASE),
    (0.18, (4, 4), (4, 5), _STEPPING, _TRAILING),
    (0.07, (15, 7), (6, 6), _RUNNING, _PUSHING_OFF),
    (0.06, (5, 12), (5, 8), _LUNGING, _LUNGED_FROM),
    (0.04, (25, 12), (15, 10), _SQUATTING, _SQUATTING),
    (0.08, (-3, 8), (8, 8), _SITTING, _SITTING),
    (0.08, (0, 6), (0, 8), _APART, _APART),
    (0.03, (-8, 12), (5, 8), _KICKING, _KICKED_FROM),
    (0.03, (8, 15), (8, 12), _TUCKED, _TUCKED),
    (0.03, (50, 15), (32, 14), _STIFF, _STIFF),
    (0.02, (5, 10), (8, 8), _KNEE_UP, _KNEE_DOWN),
)
TRUNK_HABIT = ((0, 5), (0, 10), (0, 4), (5, 9), (0, 20), (0, 6))
"""The mean and spread in degrees of side bend, turn, roll of the hips, head's nod, turn and tilt."""
