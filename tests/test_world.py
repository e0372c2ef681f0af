"The world's truth: flow, visibility and ids are right for any seed and shape, and a wrong flow shows"
import numpy as np
import pytest
import torch

from v2v_tutorial.clips.clip import Clip, InputError
from v2v_tutorial.clips.world import World, demo_clip
from v2v_tutorial.motion.warp import warp

SHAPES = [(0,(128,128)), (1,(65,97)), (2,(97,64)), (3,(48,131)), (4,(150,33))]

@pytest.fixture(scope='module', params=SHAPES, ids=lambda p: f'seed{p[0]}-{p[1][0]}x{p[1][1]}')
def clip(request):
    seed,size = request.param
    return World(seed, size).clip(10)

def error(clip, flow, weight=None): # mean |difference| of warped and true frames on visible pixels
    gap = (warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().mean(1, keepdim=True)
    weight = clip.visible[1:] if weight is None else weight
    return float((gap*weight).sum()/weight.sum())

def slopes(seed, size, frames=8, keep=None): # a world whose sheets are plain slopes of colour: bilinear reading is exact on them
    world = World(seed, size)
    if keep is not None: world.layers = [world.layers[k] for k in keep]
    for layer in world.layers:
        h,w = layer.sheet.shape[:2]
        x,y = np.meshgrid(np.linspace(0, 1, w, dtype=np.float32), np.linspace(0, 1, h, dtype=np.float32))
        layer.sheet = np.dstack([x,y,1-x,np.ones_like(x)])*layer.sheet[...,3:]
    return world.clip(frames)

def close(clip, flow): # share of visible pixels fetched to within 1.5 grey levels of 255
    gap = 127.5*(warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().amax(1, keepdim=True)
    return float((gap[clip.visible[1:]==1]<=1.5).float().mean())

def bias(clip, flow): # largest mean signed error of any layer and colour, in grey levels; rounding and outlines average out
    gap = 127.5*(warp(clip.frames[:-1], flow[1:])-clip.frames[1:])
    good = (clip.visible[1:]==1)&(gap.abs().amax(1, keepdim=True)<8)
    layers = [good&(clip.ids[1:]==k) for k in clip.ids.unique()]
    means = [gap.movedim(1, -1)[layer[:,0]].mean(0).abs().max() for layer in layers if layer.sum()>1500]
    assert len(means)>=min(5, len(layers))
    return float(max(means))

def test_fields_have_the_promised_shapes(clip):
    h,w = clip.size
    assert isinstance(clip, Clip) and len(clip)==10
    assert clip.frames.shape==(10,3,h,w) and clip.frames.dtype==torch.float32
    assert clip.flow.shape==(10,2,h,w) and clip.flow.dtype==torch.float32
    assert clip.visible.shape==(10,1,h,w) and clip.visible.dtype==torch.float32
    assert clip.ids.shape==(10,1,h,w) and clip.ids.dtype==torch.int64
    assert clip.frames.min()>=-1 and clip.frames.max()<=1 and clip.frames.std()>.2
    assert set(clip.visible.unique().tolist())=={0.,1.}
    assert all(getattr(clip, k).is_contiguous() for k in ('flow','visible','ids'))

def test_first_frame_has_no_past(clip):
    assert not clip.flow[0].any() and not clip.visible[0].any()
    assert clip.visible[1:].flatten(1).mean(1).min()>.85

def test_ids_count_the_layers(clip):
    assert clip.ids.min()==0 and clip.ids.max()<len(World(0).layers)
    assert len(clip.ids.unique())>=6

def test_flow_fetches_visible_pixels(clip):
    still = error(clip, 0*clip.flow)
    assert error(clip, clip.flow)<(.03 if min(clip.size)>=64 else .05)
    assert error(clip, clip.flow)<.55*still

WRONG = {'sign': lambda f: -f, 'sign of x': lambda f: f*torch.tensor([-1.,1.]).view(2,1,1), 'order': lambda f: f.flip(1),
         'sign of y': lambda f: f*torch.tensor([1.,-1.]).view(2,1,1), 'twice': lambda f: 2*f, 'half': lambda f: f/2,
         'units of -1..1': lambda f: f*2/torch.tensor([f.shape[-1]-1., f.shape[-2]-1.]).view(2,1,1)}

@pytest.mark.parametrize('mistake', WRONG)
@pytest.mark.parametrize('seed', [0,1,2])
def test_wrong_flow_shows(mistake, seed):
    clip = _long(seed)
    assert error(clip, WRONG[mistake](clip.flow))>2*error(clip, clip.flow)

def _long(seed, kept={}):
    if seed not in kept: kept[seed] = World(seed).clip(62) # one round of the camera
    return kept[seed]

@pytest.mark.parametrize('seed,size', [(0,(128,128)), (5,(101,144)), (7,(144,101))])
def test_flow_is_exact_on_slopes(seed, size):
    clip = slopes(seed, size)
    assert close(clip, clip.flow)>.9
    assert close(clip, clip.flow+2)<.5
    assert bias(clip, clip.flow)<.9
    assert bias(clip, clip.flow+.3)>1.8

def test_flow_of_the_sky_is_exact_everywhere():
    clip = slopes(0, (64,96), keep=[0])
    assert close(clip, clip.flow)==1
    assert set(clip.ids.unique().tolist())=={0}
    assert clip.flow[1:].flatten(2).std(-1).max()<1e-4 # a camera that only floats moves all of it alike

def test_flow_is_the_difference_of_two_poses():
    world,t = World(3, (70,90)),4
    clip = world.clip(t+1)
    for y,x in ((10,20), (35,45), (60,80)):
        k = int(clip.ids[t,0,y,x])
        point = np.linalg.solve(world.poses(t)[k], [x,y,1])
        np.testing.assert_allclose(clip.flow[t,:,y,x].numpy(), (world.poses(t-1)[k]@point)[:2]-[x,y], atol=2e-4)

def inside(clip): # (T-1,1,H,W) bool: the source of the pixel lies in the picture
    h,w = clip.size
    y,x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    place = clip.flow[1:]+torch.stack([x,y])
    return ((place>=0)&(place<=torch.tensor([w-1,h-1]).view(2,1,1))).all(1, keepdim=True)

def covered(clip): # (T-1,1,H,W) in 0..1: share of the four pixels at the source where a nearer layer was in front
    out = torch.zeros_like(clip.visible[1:])
    for k in clip.ids.unique():
        nearer = warp((clip.ids[:-1]>k).float(), clip.flow[1:])
        out = torch.where(clip.ids[1:]==k, nearer, out)
    return out

def test_off_screen_sources_are_not_visible(clip):
    assert not clip.visible[1:][~inside(clip)].any()

def test_pixels_that_were_behind_another_layer_are_not_visible(clip):
    here,hidden = inside(clip),covered(clip)
    assert (here&(hidden>.999)).any()
    assert not clip.visible[1:][here&(hidden>.999)].any()
    assert clip.visible[1:][here&(hidden<.001)].mean()>.999 # two half-covered outlines may meet in a pixel

def test_flow_fails_where_a_pixel_was_hidden():
    clip = _long(0)
    hidden = inside(clip)&(clip.visible[1:]==0)
    assert error(clip, clip.flow, hidden.float())>8*error(clip, clip.flow)

def test_balloons_pass_in_front_of_each_other_and_behind_hills():
    world,clip = World(0),_long(0)
    alphas = np.zeros((11, len(world.layers), *world.size), bool)
    for i in range(11):
        for k, (top, bottom, left, right), alpha in world.shot(6*i).order: alphas[i,k,top:bottom,left:right] = alpha>.5
    balloons = [k for k,layer in enumerate(world.layers) if layer.sheet.shape!=world.layers[0].sheet.shape]
    assert len(balloons)==4
    both = lambda a,b: (alphas[:,a]&alphas[:,b]).any()
    assert any(both(a,b) for a in balloons for b in balloons if a<b)
    assert any(both(a,b) for a in balloons for b in range(len(world.layers)) if b>a and b not in balloons)
    assert all((clip.ids==k).any() for k in balloons)

def test_motion_is_smooth_and_neither_frozen_nor_wild():
    clip = _long(0)
    speed = clip.flow[1:].norm(dim=1)
    assert .3<=speed.median()<=2 and speed.max()<4.5
    assert (speed<.25).float().mean()<.01
    assert (clip.flow[2:]-clip.flow[1:-1]).abs().flatten(1).median(1).values.max()<.25

def test_layers_move_differently():
    clip = _long(0)
    means = torch.stack([clip.flow[5,:,clip.ids[5,0]==k].mean(1) for k in clip.ids[5].unique()])
    assert torch.pdist(means).min()>.05

def test_colours_are_red_green_blue():
    r,g,b = World(0).clip(1).frames[0,:,:20].mean((1,2)) # a sky at noon
    assert b>g>r

def test_same_seed_same_world():
    a,b = World(6, (50,60)).clip(3),World(6, (50,60)).clip(3)
    for key in ('frames','flow','visible','ids'): assert torch.equal(getattr(a, key), getattr(b, key))

def test_global_random_state_is_neither_read_nor_changed():
    np.random.seed(1); torch.manual_seed(1)
    state = np.random.get_state()[1].copy(),torch.get_rng_state()
    first = World(2, (40,40)).clip(2)
    assert (np.random.get_state()[1]==state[0]).all() and torch.equal(torch.get_rng_state(), state[1])
    np.random.seed(2); torch.manual_seed(2)
    assert torch.equal(World(2, (40,40)).clip(2).frames, first.frames)

@pytest.mark.parametrize('other', [1,3,6])
def test_other_seed_other_world(other):
    a,b = World(0, (64,64)).clip(2),World(other, (64,64)).clip(2)
    assert (a.frames-b.frames).abs().mean()>.05 and (a.flow-b.flow).abs().max()>.05

def test_shorter_clip_is_the_start_of_the_longer():
    assert torch.equal(World(1, (40,56)).clip(5).frames[:3], World(1, (40,56)).clip(3).frames)

def test_demo_clip_is_world_0():
    clip = demo_clip()
    assert len(clip)==96 and clip.size==(128,128) and clip.fps==25
    assert torch.equal(clip.frames[:62], _long(0).frames)

@pytest.mark.parametrize('size', [(32,32), (32,512), (512,32), (33,47)])
def test_extreme_shapes(size):
    clip = World(1, size).clip(3)
    assert clip.size==size and clip.frames.std()>.1 and clip.flow.isfinite().all() and clip.visible[1:].mean()>.8

def test_largest_size():
    clip = World(0, (512,512)).clip(2)
    assert clip.size==(512,512) and clip.flow[1].norm(dim=0).max()<18 # four times 128, four times the pixels a frame

@pytest.mark.parametrize('size', [(31,64), (64,31), (0,0), (-128,128), (513,64), (64,), (64,64,3), (64.5,64), ('64',64), 128, None])
def test_bad_size_is_an_input_error(size):
    with pytest.raises(InputError, match='World: size.*32 to 512'): World(0, size)

@pytest.mark.parametrize('frames', [0,-1])
def test_too_few_frames_is_an_input_error(frames):
    with pytest.raises(InputError, match='frames'): World(0, (32,32)).clip(frames)

@pytest.mark.parametrize('seed', [-1,.5,None])
def test_bad_seed_is_an_input_error(seed):
    with pytest.raises(InputError, match='seed'): World(seed, (32,32))

def test_one_frame_has_no_motion():
    clip = World(0, (32,32)).clip(1)
    assert len(clip)==1 and not clip.flow.any() and not clip.visible.any()

# ---- the camera

def test_with_a_camera_that_stands_still_only_balloons_move():
    clip = World(1, (40,56), camera=0.).clip(4)
    stands = torch.isin(clip.ids, torch.tensor([0,1,3,5]))  # sky and hills, among eight layers
    flow = clip.flow[1:].abs().amax(1, keepdim=True)
    assert float(flow[stands[1:]].max())<1e-4<.05<float(flow[~stands[1:]].max())
    assert float(World(1, (40,56)).clip(2).flow[1].abs().amax(0)[stands[1,0]].min())>.1  # the usual one floats

@pytest.mark.parametrize('camera', [-.1, 1.1, float('nan')])
def test_a_camera_out_of_range_is_named(camera):
    with pytest.raises(InputError, match='World: camera'): World(0, (32,32), camera=camera)

# ---- what it tells beside motion

def test_depth_says_who_is_in_front(clip):
    "Nearer layers come later in the list, and what lies farther is never on top of them"
    world = World(int(clip.name.removeprefix('world-')), clip.size)
    depths = [layer.depth(0) for layer in world.layers]
    assert depths==sorted(depths, reverse=True) and depths[0]>3*depths[-1]
    assert torch.equal(clip.depth, torch.tensor(depths)[clip.ids])

def test_classes_and_things_name_what_is_on_top(clip):
    world = World(0, (32,32))
    kinds, things = ([getattr(layer, key) for layer in world.layers] for key in ('kind','thing'))
    assert [world.classes[k] for k in kinds]==['sky','hills','balloon','hills','balloon','hills','balloon','balloon'] and things==[0,0,1,0,2,0,3,4]
    assert torch.equal(clip.classes, torch.tensor(kinds)[clip.ids]) and torch.equal(clip.things, torch.tensor(things)[clip.ids])
    assert not clip.parts.any() and clip.name.startswith('world-')

@pytest.mark.parametrize('angle,scale', [(0.,1.), (.5,.7)])
def test_a_sheet_hangs_by_its_middle(angle, scale):
    world, sheet = World(0, (40,60)), np.zeros((7,12,4), np.float32)
    m = world.hang(sheet, 8, -3, angle, scale)
    np.testing.assert_allclose(m @ [5.5,3,1], [29.5+8*world.unit, 19.5-3*world.unit, 1], atol=1e-12)
    right = m @ [7.5,3,1] - m @ [5.5,3,1] # two texels are a pixel
    np.testing.assert_allclose(right, [scale*np.cos(angle), scale*np.sin(angle), 0], atol=1e-12)
