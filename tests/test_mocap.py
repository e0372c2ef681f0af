"Motion files: joints are where the file says, whoever dances it, and broken files are named with line, value and fix"
import json
import numpy as np
import pytest

from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.mocap import _plain, parse_bvh, parse_deepmimic, read_motion
from v2v_tutorial.clips.moves import JOINTS, Build, joints

AT = {name: k for k,name in enumerate(JOINTS)}

def joint(name, offset, *children, root=False): # a BVH joint as text
    if not children: return f'End Site {{ OFFSET {offset} }}'
    channels = 'CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation' if root else 'CHANNELS 3 Zrotation Xrotation Yrotation'
    return f'{"ROOT" if root else "JOINT"} {name}\n{{ OFFSET {offset}\n{channels}\n' + '\n'.join(children) + '\n}'

def limbs(side, out):
    arm = joint(f'{side}Arm', f'{18*out} 20 0', joint(f'{side}ForeArm', f'{30*out} 0 0', joint(f'{side}Hand', f'{26*out} 0 0', joint('', f'{9*out} 0 0'))))
    leg = joint(f'{side}UpLeg', f'{10*out} 0 0', joint(f'{side}Leg', '0 -44 0', joint(f'{side}Foot', '0 -42 0', joint(f'{side}ToeBase', '0 -6 14', joint('', '0 0 5')))))
    return arm, leg

(LARM, LLEG), (RARM, RLEG) = limbs('Left', 1), limbs('Right', -1)
HEAD = joint('Neck', '0 30 0', joint('Head', '0 12 0', joint('', '0 10 0')))
TREE = 'HIERARCHY\n' + joint('Hips', '0 0 0', joint('Spine1', '0 20 0', HEAD, LARM, RARM), LLEG, RLEG, root=True)
ORDER = [line.split()[1] for line in TREE.splitlines() if line.startswith(('ROOT','JOINT'))]

def bvh(rows=({},), step=1/25, tree=TREE): # rows: joint -> z, x, y in degrees, and 'at' for the hips
    lines = [' '.join(f'{v:.6f}' for v in (*row.get('at', (0,92,0)), *np.ravel([row.get(name, (0,0,0)) for name in ORDER]))) for row in rows]
    return '\n'.join([tree, 'MOTION', f'Frames: {len(lines)}', f'Frame Time: {step:.8f}', *lines])

def read(tmp_path, text, name='a.bvh', **more):
    (tmp_path/name).write_text(text)
    return read_motion(tmp_path/name, **more)

def place(skeleton, name, t=0): return skeleton.forward()[0][t,skeleton.names.index(name)]

# ---- BVH

def test_a_joint_turns_all_that_hangs_from_it():
    s = parse_bvh(bvh([dict(LeftArm=(90,0,0))]))
    assert np.allclose(place(s, 'LeftArm'), [18,132,0]) and np.allclose(place(s, 'LeftForeArm'), [18,162,0]) and np.allclose(place(s, 'LeftHand'), [18,188,0])
    assert np.allclose(place(s, 'RightHand'), [-74,132,0])

def test_channels_turn_in_the_order_of_the_file():
    first, then = dict(LeftArm=(90,0,90)), TREE.replace('Zrotation Xrotation Yrotation', 'Yrotation Xrotation Zrotation')
    zxy, yxz = parse_bvh(bvh([first])), parse_bvh(bvh([first], tree=then))
    arm = lambda s: (place(s, 'LeftForeArm')-place(s, 'LeftArm'))/30
    assert np.allclose(arm(zxy), [0,0,-1]) and np.allclose(arm(yxz), [0,1,0])      # Z(90) Y(90) x and Y(90) Z(90) x

def test_positions_stand_in_for_the_offset():
    s = parse_bvh(bvh([{}, dict(at=(5,80,-3))]))
    assert np.allclose(place(s, 'Hips', 1), [5,80,-3]) and np.allclose(place(s, 'LeftUpLeg', 1), [15,80,-3]) and s.fps==pytest.approx(25)

def test_words_may_stand_on_any_line():
    head, motion = bvh([dict(LeftArm=(30,10,5))]*2).split('MOTION')
    other = parse_bvh(' '.join(head.split()) + '\nMOTION' + motion.replace(' ', '\n').replace('Frame\nTime:', 'Frame Time:'))
    assert np.allclose(other.forward()[0], parse_bvh(bvh([dict(LeftArm=(30,10,5))]*2)).forward()[0])

# ---- DeepMimic

def humanoid(hips=(0,.9,0), turn=(1,0,0,0), knees=(0,0), elbows=(0,0), step=1/30): # 44 numbers
    still = (1,0,0,0)
    return [step, *hips, *turn, *still, *still, *still, knees[0], *still, *still, elbows[0], *still, knees[1], *still, *still, elbows[1]]

def mimic(*frames): return json.dumps(dict(Loop='wrap', Frames=list(frames)))

def test_hinges_bend_knees_back_and_elbows_forward():
    s = parse_deepmimic(mimic(humanoid(knees=(-np.pi/2,0), elbows=(0,np.pi/2))))
    assert np.allclose(place(s, 'rightankle')-place(s, 'rightknee'), [-.40987,0,0]) and np.allclose(place(s, 'leftankle')-place(s, 'leftknee'), [0,-.40987,0])
    assert np.allclose(place(s, 'leftwrist')-place(s, 'leftelbow'), [.258947,0,0])
    assert s.fps==pytest.approx(30)

def test_quaternions_are_w_first():
    half = np.sqrt(.5)
    s = parse_deepmimic(mimic(humanoid(turn=(half,0,half,0))))                      # a quarter to the left about y
    assert np.allclose(place(s, 'rightknee')-place(s, 'hips'), [.084887,-.421546,0], atol=1e-6)
    assert np.allclose(place(s, 'righttoe')-place(s, 'rightankle'), [0,-.04,-.16], atol=1e-6)

def test_a_deepmimic_dancer_faces_the_camera_with_right_on_the_right(tmp_path):
    at = joints(read(tmp_path, mimic(*[humanoid()]*3), 'a.txt').pose(0), Build())
    assert at[AT['rtoe'],2]-at[AT['rankle'],2]>.05 and at[AT['rhip'],0]<0<at[AT['lhip'],0]

# ---- a dance

def test_directions_are_the_files_and_lengths_the_dancers(tmp_path):
    motion = read(tmp_path, bvh([dict(LeftArm=(60,0,0))]))
    for build in (Build(), Build(thigh=.29, shin=.28, upper_arm=.14)):
        at = joints(motion.pose(0), build)
        arm = at[AT['lelbow']]-at[AT['lshoulder']]
        assert np.allclose(arm, build.upper_arm*np.array([.5,3**.5/2,0]), atol=1e-6)
        assert np.allclose(at[[AT['rankle'],AT['lankle']],1], build.ankle, atol=1e-3)

def test_the_unit_of_the_file_drops_out(tmp_path):
    row = dict(LeftArm=(60,0,0), LeftUpLeg=(0,-40,0), LeftLeg=(0,60,0))
    metres = parse_bvh(bvh([row]))
    small = type(metres)(metres.names, metres.parents, metres.offsets/100, metres.rotations, metres.fps)
    from v2v_tutorial.clips.mocap import recording
    assert np.allclose(joints(recording(small).pose(0), Build()), joints(recording(metres).pose(0), Build()), atol=1e-6)

@pytest.mark.parametrize('view,nose', [(0, (0,1)), (90, (-1,0)), (180, (0,-1))])
def test_the_camera_walks_round(tmp_path, view, nose):
    "From 90 degrees it sees the left side: who looks at where it was now looks to the left of the picture"
    turned = read(tmp_path, bvh([dict(Hips=(0,0,35))]*2), view=view)               # the file's own turn doesn't matter
    assert np.allclose(turned.pose(0).head[[0,2],2], nose, atol=1e-6) and np.allclose(turned.pose(0).pelvis[[0,2],2], nose, atol=1e-6)

def test_z_may_be_up(tmp_path):
    lying = bvh([dict(at=(0,0,92), Hips=(0,90,0))])                                # turned about x, so that the head is at z
    a, b = read(tmp_path, bvh()).pose(0), read(tmp_path, lying, up='z').pose(0)
    assert np.allclose(joints(a, Build()), joints(b, Build()), atol=1e-5)

def test_travel_is_kept_or_taken_out(tmp_path):
    rows = [dict(at=(2*t,92,0)) for t in range(100)]
    stays, goes = (read(tmp_path, bvh(rows), travel=travel) for travel in (0, 1))
    far = lambda motion: abs(motion.pose(70).root[0]-motion.pose(30).root[0])*motion.leg
    assert far(goes)==pytest.approx(80, abs=.1) and far(stays)<1

def test_film_runs_at_its_own_rate_and_back_at_the_end(tmp_path):
    motion = read(tmp_path, bvh([dict(at=(t,92,0)) for t in range(61)], step=1/50))   # 1.2 seconds
    x = lambda t: motion.pose(t).root[0]*motion.leg
    assert len(motion)==31 and x(10)-x(0)==pytest.approx(20) and x(10.5)-x(10)==pytest.approx(1)
    assert x(40)==pytest.approx(x(20)) and x(60)==pytest.approx(x(0)) and x(61)==pytest.approx(x(1))

@pytest.mark.parametrize('name', ['RightUpLeg', 'mixamorig:RightUpLeg', 'R_UpLeg', 'upleg.R', 'rUpLeg', 'Right Up Leg'])
def test_names_of_many_programs_are_one(name): assert _plain(name)=='rightupleg'

def test_other_names_mean_the_same_dance(tmp_path):
    text = bvh([dict(LeftArm=(60,0,0))])
    other = text
    for a,b in dict(Spine1='chest', ForeArm='LowArm', UpLeg='Thigh', ToeBase='Toe').items(): other = other.replace(a, b)
    for side in ('Left','Right'): other = other.replace(f'{side}Leg', f'{side}Shin').replace(f'{side}Arm', f'{side}UpArm').replace(f'JOINT {side}', f'JOINT {side[0]}_')
    assert 'JOINT L_Shin' in other
    assert np.allclose(joints(read(tmp_path, other).pose(0), Build()), joints(read(tmp_path, text).pose(0), Build()))

# ---- broken files

GOOD = bvh([{}, {}])
def last(text): return len(text.splitlines())
FAULTS = {
    'cut short': (GOOD[:-40], r'line \d+: 2 frames of 57 channels are 114 numbers, and the file has 1\d\d; it is cut short'),
    'cut in the tree': (GOOD[:200], r'line \d+: the file ends where .* was expected; it is cut short'),
    'no number': (GOOD.replace('OFFSET 18 20 0', 'OFFSET 18 tall 0'), r"line \d+: 'tall' stands where the offset of LeftArm was expected; give a number"),
    'NaN': (GOOD.replace('92.000000', 'nan', 1), rf"line {last(TREE)+4}: 'nan' stands where a channel was expected; give a number"),
    'infinite': (GOOD.replace('OFFSET 0 20 0', 'OFFSET 0 inf 0'), r"line \d+: 'inf' stands where the offset of Spine1"),
    'part of a frame': (GOOD.replace('Frames: 2', 'Frames: 2.5'), r"line \d+: '2.5' stands where the number of frames was expected; give a whole number"),
    'no frames': (GOOD.replace('Frames: 2', 'Frames: 0'), rf'line {last(TREE)+2}: 0 frames; a motion needs at least one'),
    'no time': (GOOD.replace('0.04000000', '0'), r'line \d+: a frame lasts 0 s; give something between 0.0001 and 10'),
    'odd channel': (GOOD.replace('Zrotation', 'Wrotation', 1), r"line 4: 'Wrotation' stands where XPOSITION or"),
    'no brace': (GOOD.replace('{', '', 1), r"line 3: 'OFFSET' stands where \{ was expected"),
    'no such joint': (GOOD.replace('LeftLeg', 'Mast'), r'no joint of the file is our left knee; rename one to LeftLeg \(it has Hips, Spine1'),
    'legs without length': (GOOD.replace('OFFSET 0 -44 0', 'OFFSET 0 0 0').replace('OFFSET 0 -42 0', 'OFFSET 0 0 0'), 'a leg has no length; the offsets'),
    'empty': ('', 'line 1: neither BVH nor JSON .*; give a BVH or a DeepMimic file'),
    'a letter': ('Dear all,\nhere is the dance', 'line 1: neither BVH nor JSON'),
    'JSON cut short': (mimic(humanoid())[:-9], r'line 1: neither BVH nor JSON'),
    'JSON of something else': ('{"frames": 3}', 'JSON without "Frames" is no motion'),
    'JSON list': ('[1, 2]', 'JSON without "Frames" is no motion'),
    'no list': ('{"Frames": []}', r'"Frames" is \[\]; a motion needs a list of at least one'),
    'too few numbers': (mimic(humanoid(), humanoid()[:-1]), 'frame 1: it has 43 numbers, and the humanoid needs 44'),
    'frame of text': (mimic('stand'), 'frame 0: it has no numbers'),
    'text in a frame': (mimic(humanoid(), [*humanoid()[:5], 'left', *humanoid()[6:]]), "frame 1: 'left' is no number; repair the frame or cut it"),
    'NaN in a frame': (mimic(humanoid(hips=(0,float('nan'),0))), 'frame 0: .nan. is no number'),
    'no duration': (mimic(humanoid(step=0)), 'frame 0: it lasts 0 s; give something between 0.0001 and 10'),
    'no rotation': (mimic(humanoid(), humanoid(turn=(0,0,0,0))), 'frame 1: the quaternion of the hips has no length; give w, x, y, z'),
}
@pytest.mark.parametrize('fault', FAULTS)
def test_a_broken_file_is_named_with_place_value_and_fix(tmp_path, fault):
    text, says = FAULTS[fault]
    with pytest.raises(InputError, match=says) as error: read(tmp_path, text, 'mine.bvh')
    assert str(error.value).startswith(str(tmp_path/'mine.bvh'))

def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match='none.bvh: it can\'t be read'): read_motion(tmp_path/'none.bvh')
    with pytest.raises(InputError, match='it can\'t be read'): read_motion(tmp_path)

@pytest.mark.parametrize('option,value', [('up','x'), ('travel',1.5), ('travel','all'), ('travel',float('nan')), ('view','side'), ('view',True), ('view',1000)])
def test_bad_options_are_named(tmp_path, option, value):
    with pytest.raises(InputError, match=f'a.bvh: {option}='): read(tmp_path, GOOD, **{option: value})
