"People: no two alike, splits apart, bodies that stand, and clothes that tell left from right"
import numpy as np
import pytest

from v2v_tutorial.clips.dance import Dance
from v2v_tutorial.clips.dancers import CHOICES, PARTS, PEOPLE, Figure, attributes, proportions
from v2v_tutorial.clips.layers import seeds
from v2v_tutorial.clips.moves import JOINTS, Choreography
from v2v_tutorial.clips.places import Camera, backdrop
from v2v_tutorial.clips.wardrobe import painted

AT = {name: k for k,name in enumerate(JOINTS)}

def looks(who): return tuple(attributes(who).values())
def find(**wanted): # the first person with these attributes
    return next(who for who in range(4000) if all(attributes(who)[k]==v for k,v in wanted.items()))

def standing(who, size=(96,96), **more): # somebody in front of us with arms a little raised, without light and shadow
    world = Dance(0, size, who=who, dance=Choreography.of('b_up 60; b_up 60'), **more)
    world.layers[-1].shaded = 0.
    world.layers.pop(1)
    return world

# ---- identity

def test_no_two_of_200_test_people_are_alike(): assert len({looks(who) for who in seeds('test', 200)})==200

def test_people_of_different_splits_are_different():
    everyone = [looks(who) for split in ('train','validation','test') for who in seeds(split, 3000)]
    assert len(set(everyone))==9000

def test_everybody_below_the_number_of_people_is_unique():
    "The shuffle is a permutation: a step without a common factor, there and back"
    assert PEOPLE==np.prod([len(c) for c in CHOICES.values()])
    rng = np.random.default_rng(0)
    some = {int(n) for n in rng.integers(0, PEOPLE, 20000)} | {0, PEOPLE-1}
    assert len({looks(n) for n in some})==len(some) and looks(0)==looks(PEOPLE)

def test_every_choice_is_taken():
    people = [attributes(who) for who in seeds('test', 300)]
    for key,values in CHOICES.items(): assert {p[key] for p in people}==set(values), key

def test_200_test_people_look_different(monkeypatch):
    "Same dance, same place, same moment: all of the difference is the person's"
    still, wall = Choreography.of('b_up 60'), backdrop(0, Camera((32,32)))
    monkeypatch.setattr('v2v_tutorial.clips.dance.backdrop', lambda *_: wall)
    pictures = [Dance(0, (32,32), who=who, dance=still, place=0).shot(0).picture.astype(np.float32) for who in seeds('test', 200)]
    flat = np.stack(pictures).reshape(200, -1)
    far = ((flat[:,None,::7]-flat[None,:,::7])**2).mean(-1)**.5 + 1e9*np.eye(200)
    assert far.min()>1.5 and np.median(far)>10

def test_proportions_differ_but_stay_human():
    builds = [proportions(who)[0] for who in seeds('test', 100)]
    tall = np.array([b.leg+b.ankle+b.waist+b.chest+b.neck for b in builds])
    assert tall.std()/tall.mean()>.03 and .85<tall.min()/np.median(tall) and tall.max()/np.median(tall)<1.15
    assert np.std([b.leg/b.waist for b in builds])>.05                         # not only stretched

# ---- bodies

@pytest.mark.parametrize('who', [0, 2, 9, 13, 29])
def test_a_body_stands_on_the_floor_and_is_as_tall_as_said(who):
    figure = Figure(who)
    pose = Choreography.of('b_up 60').pose(0)
    places = figure.tubes.corners(*figure.place(pose))[0]
    b = figure.build
    feet = np.isin(figure.tubes.part, [PARTS.index('right foot'), PARTS.index('left foot')])
    assert -.03<places[...,1].min()<.02 and places[...,1].min()==places[feet][...,1].min()
    top = b.leg+b.ankle+b.waist+b.chest+b.neck
    assert top-.02<places[...,1].max()<top+.17

@pytest.mark.parametrize('who', [0, 2, 9, 13])
def test_each_part_is_near_its_bone(who):
    figure, dance = Figure(who), Choreography(3)
    ends = dict(**{f'{side} {limb}': (f'{side[0]}{a}', f'{side[0]}{b}') for side in ('right','left')
                   for limb,a,b in (('upper arm','shoulder','elbow'), ('forearm','elbow','wrist'), ('thigh','hip','knee'), ('shin','knee','ankle'), ('foot','ankle','toe'))})
    for t in (0, 37, 90):
        at, frames, radii = figure.place(dance.pose(t))
        places = figure.tubes.corners(at, frames, radii)[0]
        for name,(a,b) in ends.items():
            p = places[figure.tubes.part==PARTS.index(name)].reshape(-1, 3)
            if not len(p): continue                                            # thighs that a skirt hides are not there
            along = at[AT[b]]-at[AT[a]]
            share = np.clip((p-at[AT[a]])@along/(along@along), 0, 1)
            assert np.linalg.norm(p-at[AT[a]]-share[:,None]*along, axis=1).max()<.14, (name, t)

def test_skirts_open_with_the_knees_and_thighs_go():
    figure = Figure(find(bottom='skirt'))
    skirt = figure.tubes.part==PARTS.index('skirt')
    wide = lambda keys: np.ptp(figure.tubes.corners(*figure.place(Choreography.of(keys).pose(0)))[0][skirt][...,0])
    assert skirt.any() and wide('b_x .34 dip .3')>1.1*wide('b_x .1')
    assert not (Figure(find(bottom='shorts')).tubes.part==PARTS.index('skirt')).any()

# ---- clothes

@pytest.mark.parametrize('mark', CHOICES['mark'])
@pytest.mark.parametrize('bottom', CHOICES['bottom'])
def test_left_differs_from_right(mark, bottom):
    "A mirrored film must show: at least one body pixel in thirty changes by more than 40 of 255"
    for who in [n for n in range(3000) if attributes(n)['mark']==mark and attributes(n)['bottom']==bottom][:2]:
        shot = standing(who).shot(0)
        on = shot.front==1
        both = on & on[:,::-1]
        change = np.abs(shot.picture.astype(int)-shot.picture[:,::-1])[both].max(-1)
        assert (change>40).mean()>.03, who

def test_the_mark_is_on_the_left():
    "A glove: the left hand has no skin on it, the right hand has"
    figure = Figure(find(mark='glove', sleeves=0.))
    sheet, texels = painted(figure, 180)
    colour = {}
    for side in ('right','left'):
        rings = np.flatnonzero(figure.tubes.part==PARTS.index(f'{side} hand'))
        u, v = texels[rings[:2],4:9].reshape(-1, 2).round().astype(int).T
        colour[side] = sheet[v,u,:3].mean(0)
    skin = np.array([int(figure.wears['skin'][i:i+2], 16) for i in (0, 2, 4)])/255
    assert np.abs(colour['right']-skin).max()<.12 and np.abs(colour['left']-skin).max()>.15

def test_paint_fills_the_sheet_and_prints_show():
    counts = {}
    for kind in CHOICES['print']:
        figure = Figure(find(print=kind))
        sheet, texels = painted(figure, 180)
        u, v = texels.reshape(-1, 2).round().astype(int).T
        assert sheet.dtype==np.float32 and sheet.min()>=0 and sheet.max()<=1 and (sheet[v,u,3]==1).all()
        torso = np.flatnonzero(np.array(figure.names)=='torso')[0]
        rings = figure.tubes.spans[torso]
        top, bottom = texels[rings,0,1][[4,-2]].round().astype(int)
        front = sheet[top:bottom,int(texels[rings,4,0].min()):int(texels[rings,8,0].max()),:3]
        counts[kind] = front.std((0,1)).max()
    assert min(counts[k] for k in counts if k!='plain')>1.4*counts['plain']

def test_texels_grow_with_the_picture_and_the_paint_stays():
    a, b = (painted(Figure(5), density)[0] for density in (100, 200))
    assert abs(b.shape[0]/a.shape[0]-2)<.1
    mean = lambda sheet: sheet[sheet[...,3]>0][:,:3].mean(0)
    assert np.abs(mean(a)-mean(b)).max()<.03
