"Every layer of every world is a picture of its state alone, the arrow says what the flow says, and a state that will not do is named"
import time
from types import SimpleNamespace
import cv2, numpy as np, pytest
from v2v_tutorial import explorer as module
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.street import CLASSES
from v2v_tutorial.explorer import EXAMPLES, EXPLORER, LARGE, LAYERS, SIZE, WORLDS, View, explorer_frame, explorer_notes, explorer_state

each_world = pytest.mark.parametrize('world', WORLDS)
def example(world, **more): return {**EXAMPLES[world], **more}
def places(v, step=11): # columns and rows of some pixels, with the state that picks each
    for y in range(3, SIZE[0], step):
        for x in range(3, SIZE[1], step): yield x, y, {**v.state, 'x': x/(SIZE[1]-1), 'y': y/(SIZE[0]-1)}

# ---- the picture

@pytest.mark.parametrize('layer', LAYERS)
@each_world
def test_each_layer_of_each_world_is_a_picture_with_a_legend(world, layer):
    made, notes = explorer_frame(example(world, layer=layer)), explorer_notes(example(world, layer=layer))
    assert made.dtype==np.uint8 and made.shape==(LARGE*SIZE[0],LARGE*SIZE[1],3) and made.std()>4
    assert notes[0][0]=='' and notes[0][1].startswith('Pixel ') and all(text for _,text in notes)
    assert len(notes)>1 or layer=='picture'

@each_world
def test_layers_differ(world):
    lacks = [] if WORLDS[world].parts else ['parts']
    made = [explorer_frame(example(world, layer=layer)) for layer in LAYERS if layer not in lacks]
    assert len({picture.tobytes() for picture in made})==len(made)

@each_world
def test_same_state_same_picture_whatever_came_before(world):
    before = explorer_frame(example(world))
    for cache in (module._moment, module._scene): cache.cache_clear()
    for layer in LAYERS: explorer_frame(example(world, layer=layer, t=77, back=3))
    assert np.array_equal(explorer_frame(example(world)), before)

@each_world
def test_everything_that_a_world_heeds_changes_its_picture(world):
    changes = [dict(seed=11), dict(t=90), dict(camera=0.), dict(look='night') if 'look' in WORLDS[world].heeds else {}, dict(who=9) if 'who' in WORLDS[world].heeds else {}]
    base = View(example(world)).now.picture.astype(int)
    for change in filter(None, changes): assert np.abs(View(example(world, **change)).now.picture-base).mean()>.5, change

def test_what_a_world_does_not_heed_makes_no_new_scene():
    assert View(example('dance', look='night')).scene is View(example('dance', look='snow')).scene
    assert View(example('street', who=1)).scene is View(example('street', who=2)).scene

def test_a_new_look_is_the_same_street():
    day, night = (View(dict(look=look)) for look in ('day','night'))
    for key in ('classes','things'): assert (day.truth[key]==night.truth[key]).mean()>.999
    assert np.allclose(day.flow, night.flow, atol=1e-3) and np.abs(day.now.picture-night.now.picture.astype(int)).mean()>15

# ---- the truth that is drawn

def bare(v, layer): return LAYERS[layer][1](v)[0][LARGE//2::LARGE,LARGE//2::LARGE] # without marks, at the middle of each pixel

def test_classes_have_the_colours_of_the_table():
    v = View({})
    for k,code in enumerate(CLASSES.values()): assert (bare(v, 'classes')[v.truth['classes']==k]==[*bytes.fromhex(code)]).all()
    assert {text for _,text in LAYERS['classes'][1](v)[1]}=={name for k,name in enumerate(CLASSES) if (v.truth['classes']==k).any()}

@each_world
def test_hidden_pixels_are_orange_and_only_they(world):
    v = View(example(world, back=12))
    orange = (bare(v, 'warped')==module._HIDDEN).all(-1)
    assert (orange[~v.seen]).all() and orange[v.seen].mean()<.01 and 0<orange.mean()<.9

def test_near_is_bright():
    v = View({})
    bright, z = bare(v, 'depth').astype(int).sum(-1), v.truth['depth']
    assert bright[z<8].mean()>bright[(z>20)&(z<60)].mean()+40>bright[z>5000].mean()+80

def test_instances_have_colours_of_their_own_and_a_dark_edge():
    v = View({})
    picture, notes = LAYERS['things'][1](v)
    ids = np.unique(v.truth['things'])
    assert len(notes)==(ids>0).sum()>2 and len({colour for colour,_ in notes})==len(notes)
    assert (picture==20).all(-1).any()
    kinds = {text.split()[0] for _,text in notes}
    assert kinds<={'car','person'} and 'car' in kinds

def test_surface_coordinates_are_red_across_and_green_along():
    v = View(example('balloons'))
    uv, picture = v.scene.uv(v.now), bare(v, 'uv').astype(float)
    assert np.abs(picture[...,:2]-255*uv).max()<=.51

def test_flow_keeps_its_colours_from_moment_to_moment():
    "The same speed has the same colour, and twice the frames take twice the way to full colour"
    full = lambda back: [text for _,text in explorer_notes(dict(layer='flow', back=back)) if 'full colour' in text]
    assert full(6)==['full colour: 18 pixels or more'] and full(12)==['full colour: 36 pixels or more']

@pytest.mark.parametrize('x,y,way', [(-1,0,'to the right'), (1,0,'to the left'), (0,-1,'down'), (0,1,'up')])
def test_the_legend_of_the_flow_says_where_things_went(x, y, way):
    "Backward flow leads to where a pixel was: what moved to the right has its past on the left"
    stage = WORLDS['street']
    picture, says = LAYERS['flow'][1](SimpleNamespace(stage=stage, state=dict(back=2), flow=np.full((*SIZE,2), (x,y), np.float32)*2*stage.speed))
    assert dict(says)['#'+picture[9,9].tobytes().hex()]==way

# ---- the arrow

@each_world
@pytest.mark.parametrize('back', [1,5,12])
def test_the_arrow_says_what_the_flow_says(world, back):
    v, found = View(example(world, back=back)), 0
    flow, seen = v.scene.flow(v.scene.shot(v.state['t']), v.scene.shot(v.state['t']-back))
    for x,y,state in places(v):
        if (was := View(state).was()) is None: continue
        assert was[:2]==pytest.approx((x+flow[y,x,0], y+flow[y,x,1]), abs=1e-4) and was[2]==seen[y,x]
        found += 1
    assert found>60

def test_the_pixel_is_where_the_pointer_is():
    assert View(dict(x=0, y=0)).pixel()==(0,0) and View(dict(x=1, y=1)).pixel()==(SIZE[1]-1,SIZE[0]-1) and View(dict(x=.25, y=.75)).pixel()==(40,95)

def test_ring_and_end_are_drawn_at_their_places():
    "What differs from the bare layer lies around the pixel, its place then, and the line between them"
    for world in WORLDS:
        v = View(example(world, layer='classes', back=12))
        drawn = (explorer_frame(v.state)!=LAYERS['classes'][1](v)[0]).any(-1)
        (x, y), was = v.pixel(), v.was()
        mask = np.zeros(drawn.shape, np.uint8)
        a, b = ([round((p+.5)*LARGE-.5) for p in place] for place in ((x, y), was[:2] if was else (x, y)))
        cv2.line(mask, a, b, 1, 9)
        for place in (a, b): cv2.circle(mask, place, 13, 1, -1)
        assert drawn.any() and not (drawn&(mask==0)).any(), world
        assert drawn[max(a[1]-9,0):a[1]+10,max(a[0]-9,0):a[0]+10].mean()>.2

def test_the_end_is_a_dot_where_it_could_be_seen_and_a_cross_where_not(monkeypatch):
    v, blank = View(dict(layer='classes')), lambda: np.full((LARGE*SIZE[0],LARGE*SIZE[1],3), 128, np.uint8)
    ends = {}
    for seen in (True,False):
        monkeypatch.setattr(View, 'was', lambda self: (20., 30., seen))
        ends[seen] = module._marks(blank(), v)
    middle = np.s_[30*LARGE+1,20*LARGE+1]
    assert (ends[True][middle]==255).all() and (ends[True]!=ends[False]).any()
    corner = np.s_[30*LARGE-4:30*LARGE-1,20*LARGE-4:20*LARGE-1]  # an arm of the cross
    assert (ends[False][corner]==255).all(-1).any() and not (ends[True][corner][0,0]==255).all()

def told(state): return explorer_notes(state)[0][1]

@each_world
def test_words_say_the_same_as_the_picture(world):
    v, says = View(example(world)), set()
    for x,y,state in places(v, 17):
        text, was = told(state), View(state).was()
        assert text.startswith(f'Pixel {x}, {y}: {list(v.stage.classes)[v.truth["classes"][y,x]]}')
        if was is None: assert 'nowhere' in text
        else: assert f'at {was[0]:.1f}, {was[1]:.1f}' in text and ('could be seen' in text)==was[2]
        says.add(text.split('it was ')[1].split('.')[0])
    assert f'This is {WORLDS[world].title} {v.state["seed"]} (train), moment {v.state["t"]}.' in text

@pytest.mark.parametrize('x,y,says', [(140,20,'hidden'), (20,140,'outside the picture'), (159.5,20,'outside the picture'), (-.5,20,'outside the picture')])
def test_words_tell_hidden_from_outside(monkeypatch, x, y, says):
    monkeypatch.setattr(View, 'was', lambda self: (x, y, False))
    assert f'and {says}. ' in told(dict(world='balloons'))

def test_words_tell_the_split(): assert '(validation)' in told(dict(world='balloons', seed=18)) and '(test)' in told(dict(world='balloons', seed=9))

# ---- states

@pytest.mark.parametrize('state,says', [
    (dict(world='mars'), "world='mars': choose one of street, dance, faces, balloons"), (dict(layer='depht'), "layer='depht': choose one of picture"),
    (dict(look='fog'), "look='fog': choose one of day"), (dict(seed=-1), 'seed=-1: give a number from 0 to 99'), (dict(who=1.5), 'who=1.5: give a whole number from 0 to 99'),
    (dict(back=0), 'back=0: give a number from 1 to 12'), (dict(t=241), 't=241'), (dict(camera=2), 'camera=2: give a number from 0 to 1'), (dict(x='left'), "x='left'"),
    (dict(y=float('nan')), 'y=nan'), (dict(seed=True), 'seed=True'), (dict(world=['street']), "world=['street']"), (dict(time=3), "'time': no part of the state; choose from world")])
def test_a_state_that_will_not_do_is_named(state, says):
    for use in (explorer_state, explorer_frame, explorer_notes):
        with pytest.raises(InputError) as fault: use(state)
        assert says in str(fault.value)

def test_first_moments_have_a_past():
    for world in WORLDS: assert explorer_frame(example(world, t=0, back=12)).std()>4

# ---- the demo

def test_the_demo_shows_and_checks_what_its_controls_offer():
    canvas = module.explorer()
    assert canvas.spec['state']==EXPLORER and canvas.play.draw is explorer_frame and canvas.spec['size']==(LARGE*SIZE[0],LARGE*SIZE[1])
    for c in canvas.spec['controls']:
        for value in [v for v,_ in c['options']] if c['kind']=='choice' else (c['low'], c['high']): explorer_state({c['name']: value})
    rests = {c['name']: c['when'] for c in canvas.spec['controls'] if c['when']}
    assert rests==dict(look=dict(world=['street']), who=dict(world=['dance','faces']))
    assert {c['name'] for c in canvas.spec['controls']}|{'x','y'}==set(EXPLORER)
    assert canvas.play.answer(dict(state=EXPLORER))[0]['notes']==explorer_notes(EXPLORER)

def test_the_strip_has_a_world_in_each_row_and_a_layer_in_each_column(monkeypatch):
    asked = []
    monkeypatch.setattr(module, 'explorer_frame', lambda state: asked.append((state.get('world', 'street'), state['layer'])) or np.zeros((8,8,3), np.uint8))
    assert 'A street' not in module.explorer_strip(('flow','depth')).data[:3]
    assert asked==[(world, layer) for world in WORLDS for layer in ('flow','depth')]

@each_world
def test_a_picture_is_quick(world):
    "100 ms on an idle core is the promise; a crowded machine gets three times that"
    explorer_frame(example(world))
    took = []
    for t in range(60, 130, 10):
        began = time.thread_time()
        explorer_frame(example(world, t=t, layer='flow'))
        took.append(time.thread_time()-began)
    assert sorted(took)[3]<.3
