"Poses fit any build, and a choreographer's dance is smooth, in bounds, on the floor and nobody else's"
import numpy as np
import pytest

from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.moves import JOINTS, LIMITS, MOVES, _NAMES, Build, Choreography, bend, joints, keys, spin, swing
from v2v_tutorial.clips.layers import seeds

AT = {name: k for k,name in enumerate(JOINTS)}
LONG = Build(thigh=.29, shin=.28, upper_arm=.15, forearm=.13)
BUILDS = dict(usual=Build(), long=LONG, broad=Build(thigh=.2, shin=.19, shoulder=.15, hip=.07))
BONES = dict(thigh=('hip','knee'), shin=('knee','ankle'), foot=('ankle','toe'), upper_arm=('shoulder','elbow'), forearm=('elbow','wrist'))

def walk(dance, times, build=Build()): return np.stack([joints(dance.pose(t), build) for t in times])

@pytest.mark.parametrize('build', BUILDS.values(), ids=BUILDS)
def test_bones_keep_their_length_in_any_dance(build):
    at = walk(Choreography(4), range(0, 400, 9), build)
    for name,(a,b) in BONES.items():
        for side in 'rl':
            assert np.allclose(np.linalg.norm(at[:,AT[side+a]]-at[:,AT[side+b]], axis=1), getattr(build, name), atol=1e-6)

def test_right_is_the_dancers_right():
    "Seen from the front, x to the dancer's left: the right side has the smaller x"
    at = joints(Choreography.of().pose(0), Build())
    for name in ('shoulder','elbow','wrist','hip','knee','ankle'): assert at[AT['r'+name],0]<-.02<.02<at[AT['l'+name],0]
    raised = joints(Choreography.of('r_up 170; r_up 170').pose(0), Build())
    assert raised[AT['rwrist'],1]>raised[AT['head'],1]>raised[AT['lwrist'],1]

def test_angles_are_degrees_from_hanging():
    arm = lambda **angles: joints(Choreography.of(' '.join(f'r_{k} {v}' for k,v in {**dict(out=0, bend=3), **angles}.items())).pose(0), Build())
    level, front = arm(up=90), arm(up=90, out=90)
    assert np.allclose(level[AT['relbow']]-level[AT['rshoulder']], [-Build().upper_arm, 0, 0], atol=2e-3)
    assert np.allclose(front[AT['relbow']]-front[AT['rshoulder']], [0, 0, Build().upper_arm], atol=2e-3)

@pytest.mark.parametrize('seed', [0, 3, 9, 18])
def test_feet_stand_still_and_on_the_floor(seed):
    at = walk(Choreography(seed), range(500))
    ankles = at[:,[AT['rankle'],AT['lankle']]]
    low = ankles[...,1]-Build().ankle
    standing = (low[1:]<.002)&(low[:-1]<.002)
    slide = np.linalg.norm(np.diff(ankles[...,[0,2]], axis=0), axis=-1)[standing]
    assert low.min()>-1e-3 and standing.mean()>.4 and np.median(slide)<1e-6 and slide.mean()<2e-3
    assert at[:,[AT['rtoe'],AT['ltoe']],1].min()>-.02

@pytest.mark.parametrize('seed', [0, 3, 9])
def test_motion_is_smooth_and_never_rests_for_long(seed):
    speed = np.linalg.norm(np.diff(walk(Choreography(seed), range(500)), axis=0), axis=-1)
    assert .05<speed.max()<.15
    assert np.median(speed[:,AT['rwrist']])>.002 and (speed.max(1)<.001).mean()<.3

def test_keys_stay_in_the_limits_of_bodies():
    for seed in range(6):
        rows = Choreography(seed).rows
        for name,(low,high) in LIMITS.items(): assert low<=rows[:,_NAMES.index(name)].min() and rows[:,_NAMES.index(name)].max()<=high

def test_a_mirrored_move_is_the_mirror_image():
    for name in ('point','step','twist','aside'):
        for beat,other in zip(keys(MOVES[name]), keys(MOVES[name], mirrored=True)):
            for key,value in beat.items():
                if key[:2]=='r_': assert other['l_'+key[2:]]==value
                if key in ('turn','twist','lean','look'): assert other[key]==-value
                if key=='sway': assert other[key]==1-value

def test_a_dance_goes_on_for_ever_without_a_jump():
    dance = Choreography(2, bars=2)
    at = walk(dance, np.arange(0, 20*dance.beat, 1))
    assert np.linalg.norm(np.diff(at, axis=0), axis=-1).max()<.15

def test_same_seed_same_dance_and_no_two_of_200_alike():
    same = [walk(Choreography(5), range(40)) for _ in range(2)]
    assert np.array_equal(*same)
    rows = {tuple(Choreography(seed, bars=2).rows.ravel().round(6)) for seed in seeds('test', 200)+seeds('train', 100)}
    assert len(rows)==300

def test_beats_follow_the_frame_rate():
    slow, fast = Choreography(3, fps=25.), Choreography(3, fps=50.)
    assert np.allclose(joints(slow.pose(10), Build()), joints(fast.pose(20), Build()))

@pytest.mark.parametrize('a,b', [((1,0,0),(0,1,0)), ((0,0,1),(.6,0,.8)), ((0,1,0),(0,1,0))])
def test_swing_takes_one_direction_to_the_other(a, b):
    m = swing(np.array(a, float), np.array(b, float))
    assert np.allclose(m@a, b) and np.allclose(m@m.T, np.eye(3)) and np.isclose(np.linalg.det(m), 1)

def test_spin_is_counter_clockwise():
    assert np.allclose(spin(0, 90)@[0,1,0], [0,0,1]) and np.allclose(spin(1, 90)@[0,0,1], [1,0,0]) and np.allclose(spin(2, 90)@[1,0,0], [0,1,0])

def test_bend_reaches_and_points_to_the_pole():
    knee, ankle = bend(np.array([0,1.,0]), np.array([0,.4,.1]), np.array([0,0,1.]), .4, .35)
    assert np.allclose(ankle, [0,.4,.1]) and np.isclose(np.linalg.norm(knee-[0,1,0]), .4) and np.isclose(np.linalg.norm(knee-ankle), .35) and knee[2]>.1
    _, far = bend(np.array([0,1.,0]), np.array([0,-3.,0]), np.array([0,0,1.]), .4, .35)
    assert np.isclose(far[1], 1-.75*.9995)

@pytest.mark.parametrize('text,says', [('r_upp 3', 'r_upp.*no such name'), ('r_up', 'r_up has no value'), ('r_up high', 'no number'), ('q_up 4', 'q_up')])
def test_a_key_that_cannot_be_read_is_named(text, says):
    with pytest.raises(InputError, match=says): keys(text)
