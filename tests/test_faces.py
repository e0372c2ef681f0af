"Talking heads: people can be told apart, landmarks lie on their features, openings open, and the truth about motion is exact"
import numpy as np
import pytest
import torch

from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.faces import Faces
from v2v_tutorial.clips.landmarks import _PAIRS, _scrambled, draw_edges, fit_landmarks, identity
from v2v_tutorial.clips.layers import seeds
from v2v_tutorial.clips.portrait import PARTS
from v2v_tutorial.motion.warp import warp

PART = {name: k for k,name in enumerate(PARTS)}

def kept(make, store={}): # one of each, for all tests
    if make not in store: store[make] = Faces(*make[:2]).clip(*make[2:])
    return store[make]

def slopes(seed, size=(96,96)): # sheets that are plain slopes of colour: bilinear reading is exact on them
    world = Faces(seed, size)
    for layer in world.layers:
        x, y = np.meshgrid(*(np.linspace(0, 1, n, dtype=np.float32) for n in layer.sheet.shape[1::-1]))
        layer.sheet = np.dstack([x, y, 1-x, np.ones_like(x)])*layer.sheet[...,3:]
    return world

def looks(who): return tuple(value for value in identity(who).values() if isinstance(value, str))

# ---- people

def test_no_two_of_200_test_people_are_alike():
    assert len({looks(who) for who in seeds('test', 200)})==200

def test_people_of_different_splits_are_different():
    everyone = [looks(who) for split in ('train','validation','test') for who in seeds(split, 1000)]
    assert len(set(everyone))==3000
    assert sorted(_scrambled().tolist())==list(range(33600))              # every number has digits of its own

def test_80_test_people_look_different():
    "Same light, wall, clothes and pose, so that all of the difference is the person's"
    faces = [Faces(0, (32,32), who=who, scene=3, turn=0.).shot(3).picture[2:28,6:26].astype(np.float32) for who in seeds('test', 80)]
    far = torch.pdist(torch.tensor(np.stack(faces)).flatten(1))/np.sqrt(faces[0].size)
    assert far.min()>2 and far.median()>20

def test_identity_motion_and_scene_have_seeds_of_their_own():
    a, other_scene, other_motion, other_who = (Faces(1, (48,48), **more) for more in ({}, dict(scene=2), dict(motion=2), dict(who=2)))
    assert a.person==other_scene.person==other_motion.person!=other_who.person
    assert np.array_equal(a.vertices(7), other_scene.vertices(7))
    assert np.array_equal(a.acting(7)[0], other_who.acting(7)[0]) and np.array_equal(a.pose(7)[1], other_who.pose(7)[1])
    assert not np.array_equal(a.acting(7)[0], other_motion.acting(7)[0])
    first = a.shot(7).picture.astype(int)
    for world in (other_scene, other_motion, other_who): assert np.abs(world.shot(7).picture.astype(int)-first).mean()>4
    assert np.array_equal(Faces(5, (48,48), who=1, motion=1, scene=1).shot(7).picture, a.shot(7).picture)

def test_proportions_are_not_only_stretched():
    far = [np.linalg.norm(p[36]-p[45])/np.linalg.norm(p[8]-p[27]) for p in (Faces(0, (32,32), who=who).calm_points() for who in range(12))]
    assert np.ptp(far)>.1

# ---- landmarks

def upright(who, face=(0,0,0,0,0,0), size=(128,128), yaw=0.): # a world that holds one pose
    world = Faces(0, size, who=who)
    c, s = np.cos(yaw), np.sin(yaw)
    pose = np.array(face, float), np.array([[c,0,s], [0,1,0], [-s,0,c]]), np.zeros(2), 1., np.zeros(2)
    world.pose = lambda t: pose
    return world

def test_landmarks_stand_in_the_usual_order():
    p = upright(4).points(0)[:,:2]
    assert (np.diff(p[:17,0])>0).all() and p[8,1]==p[:,1].max()          # along the jaw from left to right, the chin lowest
    assert (np.diff(p[17:27,0])>0).all() and (p[17:27,1]<p[36:48,1].min()).all()
    assert (np.diff(p[27:31,1])>0).all() and (np.diff(p[31:36,0])>0).all()
    assert p[36,0]<p[37,0]<p[38,0]<p[39,0]<p[42,0]<p[43,0]<p[44,0]<p[45,0]
    assert (p[[37,38,43,44],1]<p[[41,40,47,46],1]).all()
    assert (np.diff(p[48:55,0])>0).all() and (np.diff(p[54:60,0])<0).all() and (p[50:53,1]<p[56:59,1]).all()
    assert p[60,0]<p[61,0]<p[62,0]<p[63,0]<p[64,0] and p[67,0]<p[66,0]<p[65,0]

@pytest.mark.parametrize('who', [0, 4, 9, 23])
def test_a_calm_face_is_symmetrical(who):
    p = upright(who).calm_points()
    for pair in _PAIRS: assert np.allclose(p[pair[0]], p[pair[-1]]*[-1,1]+[127,0])
    assert sorted(k for pair in _PAIRS for k in pair)==list(range(68))

def test_landmarks_lie_on_their_features():
    world = upright(4, (0,.5,0,0,0,0))                                    # cropped hair, no glasses: nothing hides a feature
    parts = world.truth(world.shot(0))['parts']
    points = world.points(0)
    at = lambda k: {PARTS[parts[y, x]] for y in range(int(points[k,1])-1, int(points[k,1])+3) for x in range(int(points[k,0])-1, int(points[k,0])+3)}
    for feature,numbers in dict(brow=range(18,26), nose=range(28,31), eye=range(36,48), mouth=range(48,68)).items():
        for k in numbers: assert feature in at(k), k
    assert points[17:,2].min()>.7

def test_points_and_vertices_agree_and_move_with_the_pixels():
    "A landmark's own flow is that of the pixels around it"
    world = Faces(4, (160,160))
    now, then = world.shot(30), world.shot(33)
    flow, seen = world.flow(now, then)
    a, b = world.points(30), world.points(33)
    inner = [*range(18,26), *range(28,36), 51, 57]
    step = flow[np.round(a[inner,1]).astype(int), np.round(a[inner,0]).astype(int)]
    assert np.allclose(world.vertices(30)[:68], a[:,:2]) and np.abs(step-(b-a)[inner,:2]).max()<.35

def find(**wanted): # the first person with these looks
    return next(who for who in range(2000) if all(identity(who)[key]==value for key,value in wanted.items()))

def test_confidence_is_lower_behind_hair_glasses_and_the_turned_cheek_and_zero_outside():
    bare, fringe = (upright(find(hair=hair, extra='none')).points(0)[:,2] for hair in ('crop','fringe'))
    assert fringe[[17,18,25,26]].max()<.2 and bare[17:27].min()>.9
    square = upright(find(hair='crop', extra='square')).points(0)[:,2]
    assert square[17:48].min()<.3 and square[48:].min()>.9
    turned = upright(find(hair='crop', extra='none'), yaw=-.5).points(0)[:,2]
    assert turned[0]<.6 and turned[0]<turned[16] and turned[30]>.9
    world = upright(3)
    world.middle = world.middle+[100, 0]
    sure = world.points(0)
    assert (sure[sure[:,0]>127.5,2]==0).all() and (sure[:,0]>127.5).any()

SMILE, OPEN, PUCKER, RAISE, FROWN, BLINK = np.eye(6)

def moved(face, who=4): # (68,2): how far an expression moves each landmark, in pixels at 128
    return upright(who, face).vertices(0)[:68]-upright(who).vertices(0)[:68]

def test_expressions_move_what_they_name():
    smile, open_, pucker, raise_, frown, blink = (moved(face) for face in np.eye(6))
    assert smile[48,0]<-1 and smile[54,0]>1 and smile[[48,54],1].max()<-1               # y points down
    assert open_[57,1]>3 and open_[8,1]>3 and open_[66,1]-open_[62,1]>3 and np.abs(open_[17:48]).max()<.6
    assert pucker[48,0]>1 and pucker[54,0]<-1 and np.abs(pucker[:48]).max()<1
    assert raise_[17:27,1].max()<-1.5 and np.abs(raise_[48:]).max()<.6
    assert frown[[20,21,22,23],1].min()>.7 and frown[21,0]>.3 and frown[22,0]<-.3 and frown[[48,54],1].min()>.7
    assert blink[[37,38,43,44],1].min()>2 and np.abs(np.delete(blink, [37,38,43,44], 0)).max()<.3

def test_expressions_add_up():
    assert np.allclose(moved(SMILE+RAISE), moved(SMILE)+moved(RAISE))

@pytest.mark.parametrize('who', [4, 9, 23])
def test_closed_lids_meet_and_nothing_else_collapses(who):
    shut = upright(who, BLINK).vertices(0)
    assert np.abs(shut[[37,38,43,44],1]-shut[[41,40,47,46],1]).max()<1
    for face in np.eye(6)[:5]:
        p = upright(who, face).vertices(0)
        assert (np.diff(p[48:55,0])>0).all() and (np.diff(p[60:65,0])>0).all()            # lips never cross

def test_a_head_turned_to_the_right_shows_more_of_its_left():
    "The nose leads: it moves farther than the eyes, and the jaw's far side comes near"
    calm, turned = (upright(4, yaw=yaw).vertices(0)[:68] for yaw in (0, .4))
    right = turned-calm
    assert right[30,0]>right[36:48,0].mean()+2 and right[33,0]>right[8,0]
    near, far = turned[33,0]-turned[2,0], turned[14,0]-turned[33,0]
    assert near>1.25*far and abs((calm[33,0]-calm[2,0])-(calm[14,0]-calm[33,0]))<.01

@pytest.mark.parametrize('yaw', [-.4, .4])
def test_landmarks_lie_on_their_features_when_the_head_turns(yaw):
    world = upright(4, OPEN*.5, yaw=yaw)
    parts, points = world.truth(world.shot(0))['parts'], world.points(0)
    names = lambda k: {PARTS[n] for n in np.unique(parts[int(points[k,1])-1:int(points[k,1])+3, int(points[k,0])-1:int(points[k,0])+3])}
    for feature,numbers in dict(brow=range(19,25), nose=range(28,31), eye=[37,38,40,41,43,44,46,47], mouth=range(49,54)).items():
        for k in numbers: assert feature in names(k), k

def test_points_of_a_moment_do_not_depend_on_what_was_filmed_before():
    world = Faces(find(hair='long', extra='square'), (64,64))
    fresh = world.points(40)
    world.shot(3)
    assert np.array_equal(world.points(40), fresh) and not np.allclose(world.points(3)[:,2], fresh[:,2])

# ---- openings

def test_closed_eyes_hide_the_eyeballs_and_a_closed_mouth_its_teeth():
    world, ids = upright(4), lambda face: np.bincount(upright(4, face).shot(0).front.ravel(), minlength=16)
    eyes = [k for k,layer in enumerate(world.layers) if layer.part==PART['eye']]
    teeth = [k for k,layer in enumerate(world.layers) if layer.part==PART['mouth']]
    still, blink, talk = ids((0,0,0,0,0,0)), ids((0,0,0,0,0,1)), ids((0,1,0,0,0,0))
    assert still[eyes].sum()>100 and blink[eyes].sum()<.15*still[eyes].sum()
    assert talk[teeth].sum()>60 and still[teeth].sum()<.25*talk[teeth].sum() # a dark line stays

def test_a_blink_hides_and_uncovers_what_lies_behind():
    world = Faces(4, (128,128))
    closed = [world.acting.closed(t) for t in range(100)]
    t = int(np.argmax(closed))
    opened = next(s for s in range(t, t+10) if closed[s]<.05)
    shut, wide = world.shot(t), world.shot(opened)
    eyes = np.isin(wide.front, [k for k,layer in enumerate(world.layers) if layer.part==PART['eye']])
    assert eyes.sum()>60 and world.flow(wide, shut)[1][eyes].mean()<.2    # open now; a moment ago under the lid

def test_everybody_blinks_talks_and_looks_around():
    for seed in (0, 9):
        world = Faces(seed, (32,32))
        face = np.array([world.acting(t)[0] for t in range(200)])
        gaze = np.array([world.acting(t)[2] for t in range(200)])
        assert face[:,5].max()>.95 and 2<=(np.diff((face[:,5]>.7).astype(int))==1).sum()<=6
        assert np.ptp(face[:,1])>.5 and np.ptp(gaze[:,0])>.05 and np.ptp(face[:,0])>.4

@pytest.mark.parametrize('way', [(.3,0), (-.3,0), (0,.3), (0,-.3)])
def test_eyes_stay_with_the_camera_while_the_head_turns_and_nods(way):
    world = Faces(4, (32,32))
    world.acting.gaze, world.acting.swings = lambda t: np.zeros(2), [lambda t, v=v: v for v in (*way, 0, 0, 0, 0)]
    _, turn, _, _, gaze = world._pose(0)
    nose = turn[:2,2]  # where the front of the head went
    assert gaze@nose<0 and abs(gaze[0]*nose[1]-gaze[1]*nose[0])<1e-9

@pytest.mark.parametrize('seed', [0, 7, 9, 19])
def test_skin_does_not_fold(seed):
    world = Faces(seed, (64,64))
    skin = world.layers[world.face]
    area = lambda points: np.linalg.det(skin._frames(points))
    rest, visible = area(skin.rest), np.abs(area(skin.rest))>20
    for t in range(0, 400, 7): assert (area(world.vertices(t))*np.sign(rest))[visible].min()>-.5

# ---- flow and visibility

def error(clip, flow): # mean |difference| of warped and true frames on visible pixels
    gap = (warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().mean(1, keepdim=True)
    return float((gap*clip.visible[1:]).sum()/clip.visible[1:].sum())

def close(frames, flow, seen, levels=1.5): # share of visible pixels fetched to within so many grey levels
    gap = 127.5*(warp(frames[:-1], flow[1:])-frames[1:]).abs().amax(1, keepdim=True)
    return float((gap[seen[1:]==1]<=levels).float().mean())

WRONG = {'sign': lambda f: -f, 'order': lambda f: f.flip(1), 'sign of x': lambda f: f*torch.tensor([-1.,1.]).view(2,1,1), 'twice': lambda f: 2*f,
         'units of -1..1': lambda f: f*2/(f.shape[-1]-1), 'one frame late': lambda f: f.roll(1, 0), 'half a pixel off': lambda f: f+.5}

@pytest.mark.parametrize('mistake', WRONG)
def test_wrong_flow_shows(mistake):
    clip = kept((5, (128,128), 40))
    assert error(clip, WRONG[mistake](clip.flow))>1.1*error(clip, clip.flow)

def bias(clip, flow, layer): # largest mean signed error of any colour on one layer, in grey levels; rounding and outlines average out
    gap = 127.5*(warp(clip.frames[:-1], flow[1:])-clip.frames[1:])
    good = (clip.visible[1:]==1)&(gap.abs().amax(1, keepdim=True)<8)&(clip.ids[1:]==layer)
    return float(gap.movedim(1, -1)[good[:,0]].mean(0).abs().max())

@pytest.mark.parametrize('seed,size', [(5,(128,128)), (9,(97,64)), (2,(65,131))])
def test_flow_is_exact_on_slopes(seed, size):
    world = slopes(seed, size)
    clip = world.clip(6)
    assert close(clip.frames, clip.flow, clip.visible)>.85 and close(clip.frames, clip.flow+2, clip.visible)<.5
    for layer in (0, world.face):
        exact, off = bias(clip, clip.flow, layer), bias(clip, clip.flow+.3, layer)
        assert exact<.25 and off>2*exact+.2

def test_flow_is_exact_between_frames_far_apart():
    world = slopes(5, (128,128))
    now, then = world.shot(40), world.shot(31)
    flow, seen = world.flow(now, then)
    frames = torch.from_numpy(np.stack([then.picture, now.picture])).movedim(-1, 1).float()/127.5-1
    flow, seen = (torch.from_numpy(a) for a in (np.moveaxis(np.stack([flow, flow]), -1, 1), np.stack([seen, seen])[:,None]))
    assert .5<float(seen.float().mean())<1
    assert close(frames, flow, seen)>.8 and close(frames, 0*flow, seen)<.6

def test_parts_of_the_face_move_differently():
    clip = kept((5, (128,128), 40))
    face = int(Faces(5, (32,32)).face)
    spread = clip.flow[:,:,None].movedim(1, -1)[clip.ids.expand(-1,1,-1,-1)==face].std(0)
    assert spread.min()>.2

# ---- the fields

def test_fields_have_the_promised_shapes_and_parts():
    clip = Faces(1, (56,72)).clip(4, uv=True)
    assert clip.frames.shape==(4,3,56,72) and clip.flow.shape==(4,2,56,72) and clip.uv.shape==(4,2,56,72)
    assert clip.points.shape==(4,68,3) and float(clip.points[...,2].min())>=0 and float(clip.points[...,2].max())<=1
    assert set(clip.classes.unique().tolist())=={0,1}==set(clip.things.unique().tolist())
    assert ((clip.parts==0)==(clip.classes==0)).all() and clip.parts.max()<len(PARTS)
    assert len(kept((5, (128,128), 40)).parts.unique())>=8

def test_same_seed_same_film_and_no_global_random_state():
    np.random.seed(1); torch.manual_seed(1)
    state = np.random.get_state()[1].copy()
    a = Faces(6, (40,50)).clip(2)
    assert (np.random.get_state()[1]==state).all()
    np.random.seed(2)
    b = Faces(6, (40,50)).clip(2)
    for key in ('frames','flow','visible','ids','parts','points'): assert torch.equal(getattr(a, key), getattr(b, key))

@pytest.mark.parametrize('seed', [0, 11])
def test_every_size_shows_the_same(seed):
    large, small = (Faces(seed, (n,n)).shot(9).picture.astype(float) for n in (192,64))
    assert np.abs(large.reshape(64,3,64,3,3).mean((1,3))-small).mean()<5

@pytest.mark.parametrize('size', [(32,32), (32,512), (512,32), (33,47)])
def test_extreme_shapes(size):
    clip = Faces(3, size).clip(2)
    assert clip.size==size and clip.frames.std()>.1 and clip.flow.isfinite().all() and (clip.parts==PART['eye']).any()

@pytest.mark.parametrize('size', [(31,64), (513,64), (64,), (64.5,64), 128, None])
def test_a_bad_size_is_named(size):
    with pytest.raises(InputError, match='Faces: size.*32 to 512'): Faces(0, size)

@pytest.mark.parametrize('key', ['seed','who','motion','scene'])
@pytest.mark.parametrize('value', [-1, .5, '3'])
def test_a_bad_seed_is_named(key, value):
    with pytest.raises(InputError, match=f'Faces: {key}'): Faces(**{key: value})

@pytest.mark.parametrize('turn', [-.1, 1.1, float('nan')])
def test_a_bad_turn_is_named(turn):
    with pytest.raises(InputError, match='Faces: turn'): Faces(turn=turn)

def test_without_turns_the_head_stands_still_and_the_lips_move():
    world = Faces(5, (32,32), turn=0.)
    points = np.stack([world.points(t) for t in range(0, 60, 3)])[...,:2]
    assert np.ptp(points[:,27:31], axis=0).max()<.05 and np.ptp(points[:,57,1])>.3

# ---- drawings

def grid(): # hand-made: every landmark far outside, but for those that a test sets
    return np.full((1,68,2), -500.)

def test_a_stroke_goes_where_its_points_are():
    points = grid()
    points[0,17:22] = [(20,50), (30,50), (40,50), (50,50), (60,50)]       # one brow, level
    image = draw_edges(points, (100,100), forehead=False)
    assert image.shape==(1,1,100,100) and image.dtype==torch.float32
    assert (image[0,0,50,21:60]>.75).all() and image[0,0,:,20:61].sum(0).max()<2
    assert image[0,0,50,:18].max()==0 and image[0,0,50,63:].max()==0

def test_three_points_are_joined_by_a_parabola():
    points = grid()
    points[0,17:22] = [(20,60), (40,40), (60,60), (61,60), (62,60)]
    image = draw_edges(points, (100,100), forehead=False)[0,0]
    x = torch.arange(22, 59)
    middle = (image[:,x]*torch.arange(100.)[:,None]).sum(0)/image[:,x].sum(0)
    assert (middle-(40+(x-40)**2/20)).abs().max()<.6                      # a corner would be up to 5 away

def test_strokes_that_no_edge_joins_stay_apart():
    points = grid()
    points[0,17:22], points[0,22:27] = [(10+5*k, 20) for k in range(5)], [(60+5*k, 20) for k in range(5)]
    image = draw_edges(points, (100,100), forehead=False)[0,0]
    assert image[:,33:58].max()==0 and image[20,62]>.75

def test_the_forehead_mirrors_the_jaw_at_two_thirds():
    s = np.linspace(-np.pi/2, np.pi/2, 17)
    points = grid()
    points[0,:17] = np.stack([50+30*np.sin(s), 50+30*np.cos(s)], 1)
    image = draw_edges(points, (100,100))[0,0]
    assert image[80,50]>.5 and image[29:32,50].max()>.5                   # 30 below the line, 20 above it
    leaning = grid()
    leaning[0,:17] = np.stack([50+30*np.cos(s), 50-30*np.sin(s)], 1)      # turned by a quarter: the chin points to the right
    image = draw_edges(leaning, (100,100))[0,0]
    assert image[50,80]>.5 and image[50,29:32].max()>.5
    assert draw_edges(points, (100,100), forehead=False)[0,0,:48].max()==0

def test_unsure_points_can_be_left_out():
    points = np.concatenate([grid(), np.ones((1,68,1))], -1)
    points[0,17:22,:2] = [(20+10*k, 50) for k in range(5)]
    points[0,19,2] = .1
    assert draw_edges(points, (100,100), forehead=False)[0,0,50].max()>.75
    assert draw_edges(points, (100,100), forehead=False, least=.5)[0,0,50].max()==0

def test_edges_are_smooth_and_lie_on_the_face():
    clip = kept((5, (128,128), 40))
    image = draw_edges(clip.points[:4], clip.size, forehead=False)
    assert image.min()==0 and image.max()>.9 and len(image.unique())>20   # anti-aliased
    drawn = image[:,0]>.5
    assert (clip.parts[:4,0][drawn]!=PART['background']).float().mean()>.95

@pytest.mark.parametrize('shape', [(68,2), (1,67,2), (1,68,4)])
def test_landmarks_of_another_shape_are_named(shape):
    with pytest.raises(InputError, match='draw_edges: points have shape'): draw_edges(np.zeros(shape), (64,64))

def test_landmarks_fitted_to_oneself_stay():
    world = Faces(4)
    points = np.stack([world.points(t) for t in (0, 9)])
    assert np.allclose(fit_landmarks(points, world.calm_points(), world.calm_points()), points)

def test_a_calm_face_fitted_to_another_is_the_other():
    a, b = Faces(who=4).calm_points(), Faces(who=17).calm_points()
    fitted = fit_landmarks(a[None], a, b)[0]
    assert np.allclose(fitted-fitted[8], b-b[8], atol=1e-6) and np.allclose(fitted[8], a[8])

def test_fitting_scales_each_axis_and_keeps_confidence():
    calm = Faces(who=4).calm_points()
    wide = (calm-calm[8])*[2,1]+calm[8]
    points = np.concatenate([calm+[3,5], np.full((68,1), .4)], 1)[None]
    fitted = fit_landmarks(points, calm, wide)[0]
    assert np.allclose(fitted[:,:2]-fitted[8,:2], wide-wide[8]) and (fitted[:,2]==.4).all()

def test_the_driven_face_looks_like_its_owner():
    driver, driven = Faces(who=0, motion=7, scene=1), Faces(who=23, motion=7, scene=1)
    times = range(0, 60, 15)
    moved, own = (np.stack([world.vertices(t)[:68] for t in times]) for world in (driver, driven))
    fitted = fit_landmarks(moved, driver.calm_points(), driven.calm_points())
    apart = lambda a: np.linalg.norm((a-a[:,8:9])-(own-own[:,8:9]), axis=-1).mean()
    assert apart(fitted)<.6*apart(moved)
