"The street's truth: flow, visibility, depth, classes and instances are right for any seed, size and look, and a wrong flow shows"
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.layers import seeds, split_of
from v2v_tutorial.clips.street import CLASSES, KIND, LOOKS, Street, class_picture, instance_edges, semantic_labels
from v2v_tutorial.clips.street_paint import LOOP
from v2v_tutorial.clips.street_view import Card, Flank, Strip
from v2v_tutorial.motion.warp import warp

TRUTH = 'flow', 'visible', 'ids', 'classes', 'things', 'depth'

@lru_cache
def street_of(seed, size=(64,96), look='day'): return Street(seed, size, look) # streets don't change: tests share them

@pytest.fixture(scope='module', params=[(0,(128,128)), (1,(65,97)), (2,(97,64))], ids=lambda p: f'seed{p[0]}-{p[1][0]}x{p[1][1]}')
def clip(request):
    seed,size = request.param
    return street_of(seed, size).clip(8)

def gap(clip, flow): # (T-1,1,H,W) |difference| of the frame before, warped, and the frame
    return (warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().mean(1, keepdim=True)

def error(clip, flow, weight=None): # its mean on visible pixels
    weight = clip.visible[1:] if weight is None else weight
    return float((gap(clip, flow)*weight).sum()/weight.sum())

def slopes(seed, size, frames=6, step=1.): # plain slopes of colour, no light and no haze: bilinear reading is exact on them
    street = Street(seed, size)
    street.layers,street.air,street.look = [layer for layer in street.layers if layer.solid],None,dict(street.look, reach=1e9)
    for layer in street.layers:
        h,w = layer.sheet.shape[:2]
        x,y = np.linspace(0, 1, w, dtype=np.float32)[None],abs(np.arange(h, dtype=np.float32)/max(h/20, 128)%2-1)[:,None]
        layer.sheet = np.dstack([x+0*y,y+0*x,1-x+0*y,0*x*y+1])*layer.sheet[...,3:]
    return street.clip(frames, step=step)

def inner(clip): # visible pixels that are not within two pixels of an outline, now or a frame ago
    edge = torch.nn.functional.max_pool2d(instance_edges(clip.ids), 5, 1, 2)
    return (clip.visible[1:]==1)&(edge[1:]==0)&(warp(edge[:-1], clip.flow[1:])==0)

def close(clip, flow): # share of them fetched to within two grey levels of 255
    wrong = 127.5*(warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().amax(1, keepdim=True)
    return float((wrong[inner(clip)]<=2).float().mean())

# ---- flow and visibility

def test_fields_have_the_promised_shapes(clip):
    h,w = clip.size
    assert clip.frames.shape==(8,3,h,w) and clip.flow.shape==(8,2,h,w)
    assert all(getattr(clip, key).shape==(8,1,h,w) for key in TRUTH[1:])
    assert clip.frames.std()>.2 and not clip.flow[0].any() and not clip.visible[0].any()
    assert clip.visible[1:].flatten(1).mean(1).min()>.85

def test_flow_fetches_visible_pixels(clip):
    assert error(clip, clip.flow)<(.03 if min(clip.size)>=64 else .05)
    assert error(clip, clip.flow)<.75*error(clip, 0*clip.flow)

WRONG = {'none': lambda f: 0*f, 'sign': lambda f: -f, 'sign of x': lambda f: f*torch.tensor([-1.,1.]).view(2,1,1), 'order': lambda f: f.flip(1),
         'sign of y': lambda f: f*torch.tensor([1.,-1.]).view(2,1,1), 'twice': lambda f: 2*f, 'half': lambda f: f/2, 'half a pixel': lambda f: f+.5,
         'units of -1..1': lambda f: f*2/torch.tensor([f.shape[-1]-1., f.shape[-2]-1.]).view(2,1,1)}

@pytest.fixture(scope='module')
def plain(): return slopes(0, (101,144))

def test_flow_is_exact_on_slopes(plain): assert close(plain, plain.flow)>.985

@pytest.mark.parametrize('mistake', WRONG)
def test_wrong_flow_shows(plain, mistake): assert close(plain, WRONG[mistake](plain.flow))<close(plain, plain.flow)-.2

def test_a_flow_that_is_a_frame_late_shows(plain):
    late = plain.flow.roll(1, 0)
    assert close(plain[2:], late[2:])<close(plain[2:], plain.flow[2:])-.01

def test_flow_is_exact_between_frames_several_steps_apart():
    clip = slopes(3, (128,96), 3, step=5.)
    assert close(clip, clip.flow)>.98
    assert close(clip, clip.flow+.5)<.9

def test_flow_forwards_is_as_true_as_backwards():
    street = street_of(0)
    early,late = street.shot(30.),street.shot(36.)
    flow,seen = (torch.from_numpy(part)[None] for part in street.flow(early, late))
    picture = lambda shot: torch.from_numpy(shot.picture).movedim(-1, 0)[None].float()/255
    wrong = lambda flow: (warp(picture(late), flow.movedim(-1, 1))-picture(early)).abs().mean(1)[seen].mean()
    assert wrong(flow)<.5*wrong(0*flow)

def still(clip): # pixels of what doesn't move by itself
    return ~torch.isin(clip.classes, torch.tensor([KIND[name] for name in ('sky','car','person')]))&(clip.depth<LOOP)

@pytest.mark.parametrize('seed,size', [(0,(64,96)), (2,(97,64))])
def test_depth_and_camera_say_the_same_as_the_flow(seed, size):
    street,t = street_of(seed, size),7.
    clip = street.clip(2, t-1)
    (x0,y0,z0),(x1,y1,z1),before,now = street.camera(t-1),street.camera(t),street.vanishing(t-1),street.vanishing(t)
    y,x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing='ij')
    z = clip.depth[1,0].double()
    there = z+z1-z0  # the camera was farther from all that stands
    u = before[0] + ((x-now[0])*z + street.f*(x1-x0))/there
    v = before[1] + ((y-now[1])*z - street.f*(y1-y0))/there
    off = (torch.stack([u-x,v-y])-clip.flow[1])[:,still(clip)[1,0]&(clip.flow[1]!=0).any(0)]
    assert off.shape[1]>1000 and off.abs().max()<.02

def test_depth_of_the_ground_is_that_of_a_plane():
    street = street_of(0)
    clip = street.clip(1)
    road = clip.classes[0,0]==KIND['road']
    rows = torch.arange(64.)[:,None].expand(64, 96)[road]
    expected = street.f*street.camera(0.)[1]/(rows-street.vanishing(0.)[1])
    assert torch.allclose(clip.depth[0,0][road], expected.float(), rtol=1e-3)
    assert clip.depth.min()>=0 and float(clip.depth[clip.classes==KIND['sky']].min())>1000

def test_hidden_pixels_cant_be_fetched(clip):
    h,w = clip.size
    place = clip.flow[1:]+torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing='xy'))
    inside = ((place>=0)&(place<=torch.tensor([w-1,h-1]).view(2,1,1))).all(1, keepdim=True)
    assert not clip.visible[1:][~inside].any()
    hidden = inside&(clip.visible[1:]==0)
    assert hidden.any() and error(clip, clip.flow, hidden.float())>3*error(clip, clip.flow)

def test_what_has_come_round_again_is_somebody_else():
    street = street_of(0)
    tree = next(layer for layer in street.layers if isinstance(layer, Card) and layer.kind==KIND['vegetation'])
    t = next(t for t in range(600) if tree.spot(t))
    s = next(s for s in range(t, 1400) if tree.spot(s) and tree.path(s)[2]!=tree.path(t)[2])
    assert tree.moved(t, s, np.zeros(1), np.zeros(1)) is None and tree.moved(t, t+.1, np.zeros(1), np.zeros(1)) is not None

def test_the_street_has_no_seam():
    street = street_of(2, (97,64))
    t = next(t for t in range(700) if street.camera(t)[2]//LOOP!=street.camera(t+1)[2]//LOOP)
    clip = street.clip(2, t)
    early = street.clip(2, t-3)
    assert error(clip, clip.flow)<1.5*error(early, early.flow) and clip.visible[1].mean()>.85
    later = street.clip(1, 1200.).classes  # some laps on, there is still a road
    assert street.camera(1200.)[2]>3*LOOP and (later==KIND['road']).float().mean()>.15

# ---- classes and instances

def test_every_class_is_there():
    found = street_of(0).clip(6, step=60.).classes.unique()
    assert set(found.tolist())==set(KIND.values())

def test_each_instance_is_one_car_or_one_person(clip):
    counted = torch.isin(clip.classes, torch.tensor([KIND['car'],KIND['person']]))
    assert torch.equal(clip.things>0, counted) and len(clip.things.unique())>3
    for thing in clip.things.unique()[1:]: assert len(clip.classes[clip.things==thing].unique())==1

def test_an_instance_is_followed_from_frame_to_frame(clip):
    before = warp(clip.things[:-1].float(), clip.flow[1:].round())
    inner = (clip.visible[1:]==1)&(instance_edges(clip.things[1:])==0)&(clip.things[1:]>0)
    assert (before[inner]==clip.things[1:][inner]).float().mean()>.9

def test_a_car_that_comes_round_again_has_a_new_id():
    street = street_of(0)
    car = next(layer for layer in street.layers if layer.thing==5)
    laps = [car.path(t)[2] for t in (0.,2000.)]
    assert laps[0]!=laps[1]
    film = [street.clip(4, t, 10.).things for t in (0.,2000.)]
    again = [{int(i) for i in part.unique()[1:] if (int(i)-1)%street.count==4} for part in film]
    assert not again[0]&again[1]

def test_no_two_things_share_an_instance_id_in_any_lap():
    street, named = street_of(0), {}
    first = {layer.thing: k for k,layer in reversed([*enumerate(street.layers)]) if layer.thing}  # one layer of each
    for t in range(-4000, 4001, 500):
        ids = street.truth(SimpleNamespace(t=t, front=np.array([[*first.values()]])))['things'][0].tolist()
        for (thing,k),n in zip(first.items(), ids): named.setdefault(n, set()).add((thing, street.layers[k].path(t)[2]))
    assert all(len(who)==1 for who in named.values()) and len(named)>3*street.count

def test_cars_hide_cars_and_people_pass_behind_cars():
    pairs = set()
    for seed in (0,3):
        clip = street_of(seed).clip(7, step=40.)
        for down,across in ((0,1),(1,0)):
            a,b = clip.things[...,:63,:95],clip.things[...,down:63+down,across:95+across]
            touch = (a!=b)&(a>0)&(b>0)
            kinds = zip(clip.classes[...,:63,:95][touch].tolist(), clip.classes[...,down:63+down,across:95+across][touch].tolist())
            pairs |= {tuple(sorted(p)) for p in kinds}
    assert (KIND['car'],KIND['car']) in pairs and (KIND['car'],KIND['person']) in pairs

def test_edges_mark_both_sides_and_no_diagonals():
    things = torch.zeros(5, 5, dtype=torch.int64)
    things[2,2] = 7
    plus = torch.tensor([[0,0,0,0,0],[0,0,1,0,0],[0,1,1,1,0],[0,0,1,0,0],[0,0,0,0,0]])
    assert torch.equal(instance_edges(things), plus.float())
    assert torch.equal(instance_edges(things.expand(2,1,5,5)), plus.expand(2,1,5,5).float())

def test_edges_of_one_thing_are_none(): assert not instance_edges(torch.full((2,1,4,6), 3)).any()

def test_labels_are_one_hot_classes_and_edges(clip):
    labels = semantic_labels(clip)
    assert labels.shape==(8,len(CLASSES)+1,*clip.size) and labels.dtype==torch.float32
    assert torch.equal(labels[:,:-1].argmax(1, keepdim=True), clip.classes) and bool((labels[:,:-1].sum(1)==1).all())
    kerb = (clip.classes[...,1:]==KIND['pavement'])&(clip.classes[...,:-1]==KIND['road'])
    assert kerb.any() and labels[:,-1:,:,1:][kerb].all()      # what can't be counted is one region a class
    assert labels[:,-1:][instance_edges(clip.things)==1].all()

def test_a_thing_has_an_edge_whatever_its_number_and_the_class_beside_it():
    for n in range(1, len(CLASSES)):
        beside = SimpleNamespace(classes=torch.tensor([[[[n,KIND['car']]]]]), things=torch.tensor([[[[0,n]]]]))
        assert semantic_labels(beside)[0,-1].all(), n

def test_classes_have_the_colours_of_cityscapes():
    picture = class_picture(torch.tensor([[[KIND['road'],KIND['sky']]]]))
    assert picture.shape==(3,1,2)
    assert torch.allclose((picture[:,0]+1)*127.5, torch.tensor([[128.,70],[64,130],[128,180]]))
    assert class_picture(torch.zeros(2, 1, 4, 5, dtype=torch.int64)).shape==(2,3,4,5)

# ---- looks

@pytest.fixture(scope='module')
def dressed(): return {look: Street(3, (40,64), look).clip(3) for look in LOOKS}

@pytest.mark.parametrize('look', LOOKS)
def test_a_look_changes_the_frames_and_nothing_else(dressed, look):
    other = dressed['night' if look=='day' else 'day']
    for key in TRUTH: assert torch.equal(getattr(dressed[look], key), getattr(other, key)), key
    assert (dressed[look].frames-other.frames).abs().mean()>.06

def test_looks_look_as_they_are_called(dressed):
    light = {look: float(clip.frames.mean()) for look,clip in dressed.items()}
    assert light['night']<light['dusk']<light['snow'] and light['night']<light['rain']<light['day']
    (r,_,b),(warm,_,cold) = (dressed[look].frames[0,:,:8].mean((1,2)) for look in ('day','dusk'))
    assert b>r and warm>cold

def test_rain_and_snow_fall():
    for look in (look for look,says in LOOKS.items() if says['wet'] or says['snow']):
        then, now = (Street(0, (64,96), look).grade(np.zeros((64,96,3), np.float32), t) for t in (0,2))
        fallen = min(range(-15, 16), key=lambda rows: np.abs(np.roll(then, rows, 0)-now).mean())
        assert fallen>0, look

def test_the_seed_chooses_a_look():
    names = {Street(seed, (32,32)).look_name for seed in range(6)}
    assert len(names)>=3 and names<=set(LOOKS)
    street = Street(7, (32,32))
    assert torch.equal(street.clip(2).frames, Street(7, (32,32), street.look_name).clip(2).frames)

# ---- seeds, sizes, camera

def test_same_seed_same_street_whatever_the_global_random_state():
    np.random.seed(1); torch.manual_seed(1)
    state = np.random.get_state()[1].copy(),torch.get_rng_state()
    a = Street(6, (40,50)).clip(3)
    assert (np.random.get_state()[1]==state[0]).all() and torch.equal(torch.get_rng_state(), state[1])
    np.random.seed(2); torch.manual_seed(2)
    b = Street(6, (40,50)).clip(3)
    for key in ('frames',*TRUTH): assert torch.equal(getattr(a, key), getattr(b, key))

def test_other_seed_other_street():
    a,b = (Street(seed, (48,48), 'day').clip(2) for seed in (0,8))
    assert (a.frames-b.frames).abs().mean()>.05 and (a.classes!=b.classes).float().mean()>.1 and (a.flow-b.flow).abs().max()>.05

def test_a_street_is_the_same_at_any_size():
    small,large = (Street(1, (n,n), 'day').clip(1) for n in (48,144))
    shrunk = torch.nn.functional.avg_pool2d(large.frames, 3)
    assert (shrunk-small.frames).abs().mean()<.06
    assert (large.classes[...,1::3,1::3]==small.classes).float().mean()>.93

def test_shorter_clip_is_the_start_of_the_longer():
    street = street_of(0)
    assert torch.equal(street.clip(4).frames[:2], street.clip(2).frames)

@pytest.mark.parametrize('size', [(32,32), (32,256), (256,32), (33,47)])
def test_extreme_shapes(size):
    clip = Street(1, size).clip(3)
    assert clip.size==size and clip.frames.std()>.1 and clip.flow.isfinite().all() and clip.visible[1:].mean()>.75

def test_motion_is_smooth_and_neither_frozen_nor_wild():
    clip = street_of(0).clip(20)
    speed = clip.flow[1:].norm(dim=1)
    assert .05<speed.median()<2 and speed.quantile(.999)<12
    assert (clip.flow[2:]-clip.flow[1:-1]).abs().flatten(1).median(1).values.max()<.2

def test_with_a_camera_that_stands_still_only_traffic_moves():
    clip = Street(1, (48,64), camera=0.).clip(4)
    stands = ~torch.isin(clip.classes, torch.tensor([KIND['car'],KIND['person']]))
    flow = clip.flow[1:].abs().amax(1, keepdim=True)
    assert float(flow[stands[1:]].max())<1e-3<.05<float(flow[~stands[1:]].max())

def test_surface_coordinates_stay_on_the_sheet():
    uv = street_of(0).clip(1, uv=True).uv
    assert uv.min()>=0 and uv.max()<=1 and uv.std()>.1

def test_all_kinds_of_sheets_are_seen():
    street = street_of(0)
    kinds = {type(street.layers[int(k)]) for k in street.clip(4, step=20.).ids.unique()}
    assert {Card,Strip,Flank}<=kinds

# ---- input

@pytest.mark.parametrize('size', [(31,64), (64,31), (513,64), (64,), (64,64,3), (64.5,64), ('64',64), 128, None])
def test_bad_size_is_an_input_error(size):
    with pytest.raises(InputError, match='Street: size.*32 to 512'): Street(0, size)

@pytest.mark.parametrize('more,said', [(dict(seed=-1), 'seed -1'), (dict(seed=.5), 'seed 0.5'), (dict(look='fog'), 'look .fog.*day, dusk'),
                                       (dict(camera=1.1), 'camera 1.1'), (dict(camera=float('nan')), 'camera nan')])
def test_bad_options_are_named(more, said):
    with pytest.raises(InputError, match='Street: '+said): Street(**{'size': (32,32), **more})

# ---- splits

def test_streets_of_the_splits_have_nothing_in_common():
    train,judged = seeds('train', 40),{*seeds('validation', 8),*seeds('test', 8)}
    assert not judged&{*train} and all(split_of(seed)!='train' for seed in judged)
    clips = [Street(seed, (32,32), 'day').clip(2) for seed in (0,8,9)]  # identity, scene and motion all follow from the seed
    for a,b in ((0,1),(0,2),(1,2)):
        for key in ('frames','classes','depth'): assert not torch.equal(getattr(clips[a], key), getattr(clips[b], key))
        assert (clips[a].flow[1]-clips[b].flow[1]).abs().mean()>.01

def test_houses_and_trees_of_other_seeds_are_others():
    "Not only in another place: painted from other numbers"
    kept = lambda layer: layer.kind==KIND['vegetation'] or isinstance(layer, Strip) and layer.kind==KIND['building']
    paints = [{layer.sheet.tobytes() for layer in street_of(seed).layers if kept(layer)} for seed in (0,9)]
    assert min(map(len, paints))>=6 and not paints[0]&paints[1]

# ---- a card and a strip by hand

def test_a_card_twice_as_far_is_half_as_large():
    street,f = SimpleNamespace(f=100., camera=lambda t: (0.,1.5,0.), vanishing=lambda t: (50.,40.)),100.
    card = Card(street, np.ones((40,20,4), np.float32), 20, lambda t: (2.,t,0))  # 1 x 2 metres, 2 metres to the right, t ahead
    for z in (5.,10.):
        m = card.place(z)
        left,right,top,foot = m @ [-.5,0,1], m @ [19.5,0,1], m @ [0,-.5,1], m @ [0,39.5,1]
        assert np.isclose(right[0]-left[0], f*1/z) and np.isclose(foot[1]-top[1], f*2/z)
        assert np.isclose((left[0]+right[0])/2, 50+f*2/z) and np.isclose(foot[1], 40+f*1.5/z, atol=.03*f/z)
    x,y = card.moved(10., 5., *(p[None] for p in (card.place(10.) @ [3.,7.,1.])[:2]))
    assert np.allclose((x[0],y[0]), (card.place(5.) @ [3.,7.,1.])[:2])
