"The world of dance: flow and visibility are right, key points lie on their parts, and who, what and where are apart"
import cv2
import numpy as np
import pytest
import torch

from v2v_tutorial.clips.clip import Clip, InputError
from v2v_tutorial.clips.dance import BONES, HIDDEN, KEYPOINTS, Dance, draw_pose, part_labels
from v2v_tutorial.clips.dancers import PARTS, PEOPLE
from v2v_tutorial.clips.layers import seeds
from v2v_tutorial.clips.moves import MOVES, Choreography
from v2v_tutorial.motion.warp import warp

POINT = {name: k for k,name in enumerate(KEYPOINTS)}
PART = {name: k for k,name in enumerate(PARTS)}

def film(seed=3, size=(112,112), frames=24, camera=.5, store={}, **more): # one of each, for all tests
    key = (seed, size, frames, camera, *sorted(more.items()))
    if key not in store: store[key] = Dance(seed, size, camera=camera).clip(frames, uv=True, **more)
    return store[key]

def plain(seed, size=(112,112), camera=.7): # slopes of colour, without light and shadow: bilinear reading is exact on them
    world = Dance(seed, size, camera=camera)
    world.layers.pop(1)
    world.layers[-1].shaded = 0.
    for layer in world.layers:
        y, x = np.mgrid[:layer.sheet.shape[0],:layer.sheet.shape[1]].astype(np.float32)/layer.sheet.shape[0]
        x, y = (np.abs(6*p%2-1) for p in (x, y))                                  # up and down again: steep enough for half a pixel to show
        layer.sheet = np.dstack([x, y, 1-x, np.ones_like(x)]).astype(np.float32)
    return world

def inside(clip): # (T,1,H,W) bool: away from outlines of layers and parts, where colours mix
    mixed = lambda p: torch.nn.functional.max_pool2d(p, 3, 1, 1)+torch.nn.functional.max_pool2d(-p, 3, 1, 1)!=0
    return ~mixed(clip.parts.float())

def grey_levels(clip, flow): return 127.5*(warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().amax(1, keepdim=True)

def error(clip, flow, where): return float((grey_levels(clip, flow)*where[1:]).sum()/where[1:].sum())

# ---- flow and visibility

@pytest.mark.parametrize('seed,size', [(5,(112,112)), (2,(97,64)), (9,(65,131))])
def test_flow_is_exact_on_slopes(seed, size):
    clip = plain(seed, size).clip(10)
    good, walls = ((inside(clip)&(clip.visible==1)&(clip.things==k))[1:] for k in (1, 0))
    within = lambda flow, where: float((grey_levels(clip, flow)[where]<=2).float().mean())
    assert good.sum()>800 and within(clip.flow, good)>.8 and within(clip.flow, walls)>.95
    assert within(clip.flow+.5, good)<within(clip.flow, good)-.2

WRONG = {'sign': lambda f: -f, 'sign of x': lambda f: f*torch.tensor([-1.,1.]).view(2,1,1), 'sign of y': lambda f: f*torch.tensor([1.,-1.]).view(2,1,1),
         'order': lambda f: f.flip(1), 'twice': lambda f: 2*f, 'none': lambda f: 0*f, 'units of -1..1': lambda f: f*2/(f.shape[-1]-1),
         'one frame late': lambda f: f.roll(1, 0), 'half a pixel off': lambda f: f+.5}

@pytest.mark.parametrize('mistake', WRONG)
def test_wrong_flow_shows_on_the_body(mistake):
    clip = film()
    on_body = clip.visible*(clip.things==1)
    assert error(clip, WRONG[mistake](clip.flow), on_body)>1.08*error(clip, clip.flow, on_body)

def test_the_background_moves_with_the_camera_alone():
    still = film(camera=0., frames=4)
    assert not still.flow[still.things.expand(-1,2,-1,-1)==0].any() and still.flow[1:].abs().max()>.3
    moving = film(frames=24)
    wall = moving.things[7,0]==0
    assert moving.flow[7,:,wall].abs().max()>.02

@pytest.mark.parametrize('apart', [5, -7])
def test_flow_is_exact_between_frames_several_steps_apart(apart):
    world = plain(5)
    now, then = world.shot(20), world.shot(20-apart)
    flow, seen = world.flow(now, then)
    frames = torch.from_numpy(np.stack([then.picture, now.picture])).movedim(-1, 1).float()/127.5-1
    flow, seen = torch.from_numpy(flow).movedim(-1, 0)[None], torch.from_numpy(seen)
    inner = torch.from_numpy(cv2.erode((now.front==1).astype(np.uint8), np.ones((3,3)))).bool()
    gap = lambda f: 127.5*(warp(frames[:1], f)-frames[1:]).abs().amax(1)[0]
    on = seen&inner
    assert on.sum()>200 and (gap(flow)[on]<=3).float().mean()>.75 and (gap(-flow)[on]<=3).float().mean()<.35
    assert gap(flow)[inner&~seen].mean()>2*gap(flow)[on].mean()              # what wasn't seen then can't be fetched

def test_flow_fails_where_a_pixel_was_hidden():
    clip = Dance(3, (112,112), dance=Choreography.of(MOVES['aside'])).clip(45)   # arms pass before the chest, and a side turns away
    hidden, body = (1-clip.visible)*(clip.things==1), clip.visible*(clip.things==1)
    assert hidden[1:].sum()>200 and error(clip, clip.flow, hidden)>1.5*error(clip, clip.flow, body)

def test_the_wall_behind_the_dancer_is_uncovered():
    clip = film()
    was = warp((clip.things[:-1]==1).float(), clip.flow[1:])                    # what of each wall pixel was behind the body
    wall = clip.things[1:]==0
    assert clip.visible[1:][wall&(was>.99)].mean()<.05 and clip.visible[1:][wall&(was<.01)].mean()>.95

# ---- surface coordinates and parts

@pytest.mark.parametrize('seed', [3, 9])
def test_parts_and_surface_coordinates_stay_with_their_point(seed):
    clip = film(seed)
    good = (inside(clip)&(clip.visible==1)&(clip.things==1)&((clip.uv[:,:1]-.5).abs()<.35))[1:]  # away from the seam, where 1 meets 0
    same = warp(clip.parts[:-1].float(), clip.flow[1:])
    assert (same[good]==clip.parts[1:][good].float()).float().mean()>.85
    both = (good&(same==clip.parts[1:])).expand(-1,2,-1,-1)
    gap = lambda flow: (warp(clip.uv[:-1], flow[1:])-clip.uv[1:]).abs()[both].median()
    assert both.sum()>2000 and gap(clip.flow)<.01 and gap(clip.flow)<.35*gap(clip.flow+.5)

def test_all_parts_are_shown_and_only_on_the_body():
    seen = set()
    for seed in (3, 9): seen |= set(film(seed).parts.unique().tolist())
    assert len(seen)>=13
    for seed in (3, 9): assert ((film(seed).parts>0)==(film(seed).things==1)).all() and (film(seed).classes==film(seed).things).all()

# ---- key points

ON = {'nose': 'head', 'eye': 'head', 'ear': 'head hair', 'neck': 'torso head hair', 'shoulder': 'arm torso hair', 'elbow': 'arm', 'wrist': 'forearm hand',
      'hips': 'torso thigh skirt', 'hip': 'torso thigh skirt', 'knee': 'thigh shin skirt', 'ankle': 'shin foot', 'toe': 'foot', 'heel': 'foot shin'}

@pytest.mark.parametrize('seed', [0, 3, 9, 17])
def test_key_points_that_are_seen_lie_on_the_part_they_name(seed):
    world, right, all_ = Dance(seed, (160,160)), 0, 0
    for t in range(0, 100, 20):
        parts, points = world.truth(world.shot(t))['parts'], world.points(t)
        for name,(x,y,sure) in zip(KEYPOINTS, points):
            if sure<1: continue
            near = {PARTS[p] for p in parts[max(round(y)-2, 0):round(y)+3,max(round(x)-2, 0):round(x)+3].ravel()}
            side = name.split()[0] if name.split()[0] in ('right','left') else ''
            fits = [p for p in near for word in ON[name.split()[-1]].split() if word in p and (side in p or not p.startswith(('right','left')))]
            right, all_ = right+bool(fits), all_+1
    assert all_>50 and right>.95*all_

def test_right_is_on_the_left_of_the_picture_when_the_dancer_faces_us():
    points = Dance(0, (128,128), dance=Choreography.of('b_up 60')).points(0)
    for name in ('shoulder','elbow','wrist','hip','knee','ankle','eye','ear','big toe','heel'):
        assert points[POINT[f'right {name}'],0]<points[POINT[f'left {name}'],0]-1, name
    away = Dance(0, (128,128), dance=Choreography.of('turn 180 b_up 60')).points(0)
    for name in ('shoulder','wrist','hip','knee'): assert away[POINT[f'right {name}'],0]>away[POINT[f'left {name}'],0]+1

def test_big_toes_are_on_the_inside():
    points = Dance(0, (128,128), dance=Choreography.of('b_up 60')).points(0)
    right, left = (points[[POINT[f'{side} {toe} toe'] for toe in ('small','big')],0] for side in ('right','left'))
    assert right[0]<right[1]<left[1]<left[0]

def test_confidence_drops_when_a_point_is_hidden():
    turned = lambda degrees: Dance(0, (160,160), dance=Choreography.of(f'turn {degrees} b_up 30')).points(0)[:,2]
    front, back, side = turned(0), turned(180), turned(90)
    face = [POINT[n] for n in ('nose','right eye','left eye')]
    assert (front[face]==1).all() and (back[face]==HIDDEN).all()
    assert side[POINT['right shoulder']]==1 and side[POINT['left shoulder']]==HIDDEN==side[POINT['left ear']]   # facing the picture's right, its right side is near

def test_a_hand_behind_the_body_is_hidden():
    sure = lambda turn: Dance(0, (160,160), dance=Choreography.of(f'turn {turn} r_up 40 r_out 75 r_bend 100 r_roll 0')).points(0)[POINT['right wrist'],2]
    assert sure(0)==1 and sure(180)==HIDDEN                                      # before the chest, and seen from behind

def test_points_out_of_the_picture_have_no_confidence():
    world = Dance(0, (64,64), dance=Choreography.of('go 2'))
    points = world.points(0)
    out = (points[:,0]>63.5)
    assert out.any() and (points[out,2]==0).all()

@pytest.mark.parametrize('size', [(64,96), (96,64)])
def test_confidence_ends_where_the_picture_does(size):
    points = Dance(0, size, dance=Choreography.of('go .8 b_up 90')).points(0)
    inside = ((points[:,:2]>=-.5)&(points[:,:2]<np.array(size[::-1])-.5)).all(1)
    assert np.array_equal(points[:,2]>0, inside) and inside.sum()>5

def test_points_move_with_their_pixels():
    world = Dance(4, (200,200), dance=Choreography.of('b_up 60 b_out 30; b_up 130 b_out 30'))
    now, then = world.shot(7), world.shot(5)
    flow, seen = world.flow(now, then)
    a, b = world.points(7), world.points(5)
    limbs = [POINT[f'{side} {joint}'] for side in ('right','left') for joint in ('elbow','wrist')]
    x, y = a[limbs,:2].round().astype(int).T
    assert np.abs(flow[y,x]-(b-a)[limbs,:2]).max()<1.5 and np.abs((b-a)[limbs,:2]).max()>3

# ---- who, what, where

def test_identity_motion_and_scene_have_seeds_of_their_own():
    a, who, dance, place = (Dance(1, (48,48), **more) for more in ({}, dict(who=2), dict(dance=2), dict(place=2)))
    pose = lambda world: world.motion.pose(30).arms
    assert np.array_equal(pose(a), pose(who)) and np.array_equal(pose(a), pose(place)) and not np.array_equal(pose(a), pose(dance))
    assert a.figure.wears==dance.figure.wears==place.figure.wears!=who.figure.wears
    assert np.array_equal(a.points(30), place.points(30))
    first = a.shot(30)
    back = lambda world: world.layers[0].sheet
    assert np.array_equal(back(a), back(who)) and np.array_equal(back(a), back(dance)) and not np.array_equal(back(a), back(place))
    assert np.array_equal(Dance(7, (48,48), who=1, dance=1, place=1).shot(30).picture, first.picture)

def test_the_camera_belongs_to_the_place():
    pan = lambda seed, **more: Dance(seed, (48,48), camera=1., **more).camera.after(9)
    assert np.array_equal(pan(7, place=1), pan(1)) and not np.allclose(pan(1, place=2), pan(1))

def test_splits_are_apart_in_who_what_and_where():
    from v2v_tutorial.clips.dancers import attributes
    pools = {split: seeds(split, 30) for split in ('train','validation','test')}
    def key(seed): return tuple(attributes(seed).values()), tuple(Choreography(seed, bars=1).rows.ravel().round(6))
    whos, dances = ({split: {key(seed)[i] for seed in pool} for split,pool in pools.items()} for i in (0, 1))
    for kinds in (whos, dances):
        assert all(len(v)==30 for v in kinds.values())
        assert not (kinds['train']&kinds['test'] or kinds['train']&kinds['validation'] or kinds['validation']&kinds['test'])
    backs = [Dance(seed, (32,32)).layers[0].sheet.ravel() for pool in pools.values() for seed in pool[:4]]
    assert min(np.abs(a-b).mean() for i,a in enumerate(backs) for b in backs[:i])>.01

def test_same_seed_same_film_and_no_global_random_state():
    np.random.seed(1); torch.manual_seed(1)
    state = np.random.get_state()[1].copy()
    a = Dance(6, (40,50)).clip(2)
    assert (np.random.get_state()[1]==state).all()
    np.random.seed(2)
    b = Dance(6, (40,50)).clip(2)
    for key in ('frames','flow','visible','ids','parts','points'): assert torch.equal(getattr(a, key), getattr(b, key))
    assert torch.equal(Dance(6, (40,50)).clip(1, start=1).frames[0], a.frames[1])

def test_every_size_shows_the_same():
    for seed in (0, 8):
        pictures = [cv2.resize(Dance(seed, (n,n)).shot(9).picture, (32,32), interpolation=cv2.INTER_AREA).astype(float) for n in (64, 192)]
        assert np.abs(pictures[0]-pictures[1]).mean()<7
        a, b = (Dance(seed, (n,n)).points(9) for n in (64, 192))
        assert np.abs((b[:,:2]+.5)/3-(a[:,:2]+.5)).max()<.5

# ---- fields and options

def test_fields_have_the_promised_shapes():
    clip = film(1, (56,72), 3)
    assert isinstance(clip, Clip) and clip.frames.shape==(3,3,56,72) and clip.flow.shape==clip.uv.shape==(3,2,56,72)
    assert clip.parts.shape==clip.depth.shape==clip.things.shape==(3,1,56,72) and clip.points.shape==(3,25,3)
    assert set(clip.points[...,2].unique().tolist())<={0., float(np.float32(HIDDEN)), 1.} and clip.frames.std()>.1 and clip.name=='dance-1'
    assert clip.depth[clip.things==1].max()<clip.depth[clip.things==0].min()

@pytest.mark.parametrize('size', [(32,32), (32,512), (512,32), (33,47), (512,512)])
def test_extreme_shapes(size):
    clip = Dance(1, size, camera=1.).clip(2)
    assert clip.size==size and clip.flow.isfinite().all() and clip.parts.any() and clip.visible[1].mean()>.8

@pytest.mark.parametrize('option,value,says', [('seed',-1,'seed=-1'), ('seed',.5,'seed=0.5'), ('seed',True,'seed=True'), ('who',PEOPLE,'who='), ('who','Ann','who='),
    ('place',-3,'place=-3'), ('dance',1.5,'dance=1.5'), ('camera',1.5,'camera=1.5'), ('camera',float('nan'),'camera=nan'), ('camera',True,'camera=True'),
    ('size',128,'size=128'), ('size',(31,64),'size=31'), ('size',(64,513),'size=513'), ('size',(64.,64),'size=64.0'), ('size',(64,),'size=')])
def test_bad_options_are_named(option, value, says):
    with pytest.raises(InputError, match=f'Dance: {says}.*give'): Dance(**{option: value})

# ---- labels

def test_a_stick_figure_is_drawn_where_the_points_are():
    points = np.zeros((1, 25, 3))
    points[0,POINT['right elbow']], points[0,POINT['right wrist']] = [10, 20, 1], [40, 20, 1]
    picture = draw_pose(points, (48,64))[0]
    ys, xs = np.nonzero((picture>-1).any(0).numpy())
    assert set(ys)<=set(range(19, 22)) and xs.min() in (9, 10) and xs.max() in (40, 41)
    points[0,POINT['right wrist'],2] = 0
    assert (draw_pose(points, (48,64))==-1).all()

def test_left_and_right_have_colours_of_their_own():
    def colour(side):
        points = np.zeros((1, 25, 3))
        points[0,POINT[f'{side} elbow']], points[0,POINT[f'{side} wrist']] = [10, 20, 1], [40, 20, 1]
        return draw_pose(points, (48,64))[0,:,20,25]
    assert (colour('right')-colour('left')).abs().max()>.5 and len(BONES)==24

def test_part_labels_are_one_channel_a_part():
    clip = film()
    labels = part_labels(clip)
    assert labels.shape==(24, len(PARTS), 112, 112) and (labels.sum(1)==1).all() and torch.equal(labels.argmax(1, keepdim=True), clip.parts)
    with pytest.raises(InputError, match='no parts; film it with Dance'): part_labels(Clip(clip.frames))

@pytest.mark.parametrize('shape', [(25,3), (2,17,3), (2,25,2)])
def test_points_of_another_shape_are_named(shape):
    with pytest.raises(InputError, match='draw_pose: points have shape'): draw_pose(np.zeros(shape), (32,32))
