"Judges: the truth moves with the view, losses have their lowest value at the truth, scores mean what they say, and the shipped ones are good"
import math
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from v2v_tutorial import judges
from v2v_tutorial.clips.clip import Clip, InputError
from v2v_tutorial.clips.layers import split_of
from v2v_tutorial.engine import Run, TrainConfig
from v2v_tutorial.judges import (EXAMPLES, JUDGES, JudgeConfig, JudgeSystem, Recogniser, class_scores, dancers, describe, differences, identity_loss, judge_sheet, peaks,
                                 people, point_scores, pose_loss, streets)
from v2v_tutorial.recipes import load_shipped, read_card

def rng(seed=0): return torch.Generator().manual_seed(seed)

# ---- views: what is practised on

@pytest.mark.parametrize('mirror', [False,True])
def test_key_points_move_with_the_picture(mirror):
    "A bright dot is found where the moved point says"
    size, points = (48,64), torch.tensor([[[30.,20.,1.]], [[12.,33.,1.]], [[50.,9.,1.]], [[31.,25.,.4]]])
    y, x = torch.meshgrid(torch.arange(48.), torch.arange(64.), indexing='ij')
    dots = torch.exp(-((x-points[:,0,0].view(-1,1,1))**2+(y-points[:,0,1].view(-1,1,1))**2)/8)[:,None]
    view = judges._views(4, rng(1), mirror)
    seen, moved = judges._pictures(dots, *view, 'bilinear')[:,0], judges._places(points, *view, size)
    for dot,(at,) in zip(seen, moved):
        if at[2]==0: continue
        where = torch.stack([(dot*x).sum(), (dot*y).sum()])/dot.sum()
        assert_close(where, at[:2], atol=.5, rtol=0)
    assert (moved[...,2]>0).sum()>=3 and moved[3,0,2] in (0, points[3,0,2])
    assert not mirror or (view[0][:,0]<0).any() and (view[0][:,1]>0).all()

def test_a_point_that_leaves_the_picture_is_no_longer_asked_for():
    zoom, shift = torch.full((1,2), .5), torch.zeros(1, 2)
    moved = judges._places(torch.tensor([[[2.,2.,1.], [16.,16.,1.]]]), zoom, shift, (32,32))
    assert moved[0,:,2].tolist()==[0,1]

def test_classes_move_with_the_picture():
    "A picture of the classes, moved as a picture, shows the moved classes"
    classes = torch.arange(4).view(2,2).repeat_interleave(16, 0).repeat_interleave(16, 1)[None,None]
    clip = Clip(classes.float().expand(1,3,-1,-1)/4, classes=classes, name='quarters')
    system = JudgeSystem(JudgeConfig(out=4, width=16, batch=4, mirror=True))
    system.begin(clip)
    view = judges._views(4, rng(2), True)
    picture = judges._pictures(clip.frames.expand(4,-1,-1,-1), *view, 'bilinear')[:,:1]*4
    moved = judges._pictures(classes.float().expand(4,-1,-1,-1), *view, 'nearest')
    assert float(((picture-moved).abs()<.5).float().mean())>.95
    batch = system.draw(rng(3))
    assert batch['truth'].dtype==torch.int64 and set(batch['truth'].unique().tolist())<=set(range(4)) and batch['frames'].abs().max()<=1

def test_classes_are_never_mixed():
    "Between classes 0 and 9 there is no 1 to 8"
    classes = (torch.arange(32)//4%2*9).expand(1, 1, 32, -1).contiguous()
    system = JudgeSystem(JudgeConfig(width=16, batch=8))
    system.begin(Clip(torch.zeros(1, 3, 32, 32), classes=classes, name='stripes'))
    assert system.draw(rng())['truth'].unique().tolist()==[0,9]

def test_what_is_practised_on_is_tinted_but_not_spoilt():
    frames = torch.rand(8, 3, 32, 32, generator=rng())-.5
    seen = judges._tinted(frames, rng(1))
    far = (seen-frames).abs().mean((1,2,3))
    assert seen.shape==frames.shape and far.min()>.01 and far.max()<.5

# ---- key points

def bells(points, size=(24,32), sigma=.8):
    y, x = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing='ij')
    return -((x-points[:,:1,None])**2+(y-points[:,1:2,None])**2)/(2*sigma**2)

def test_peaks_are_finer_than_a_cell():
    at = torch.tensor([[7.3,11.8], [20.5,4.25]])
    found = peaks(bells(at)[None])
    assert_close(found[0,:,:2], at, atol=.06, rtol=0)
    assert (found[...,2]>.95).all()

def test_an_even_map_is_not_sure_of_anything():
    assert_close(peaks(torch.zeros(1, 1, 24, 32))[0,0,2], torch.tensor(9/(24*32)))

def test_pose_loss_is_lowest_at_the_truth():
    at = torch.tensor([[7.3,11.8], [20.5,4.25]])
    truth = torch.cat([at, torch.ones(2, 1)], 1)[None]
    right = float(pose_loss(bells(at)[None], truth))
    assert right<1e-5
    for off in ((1.,0.), (0.,1.), (-.5,.5)): assert float(pose_loss(bells(at+torch.tensor(off))[None], truth))>.2
    assert float(pose_loss(bells(at.flip(0))[None], truth))>10

def test_a_missing_point_wants_an_even_map():
    gone = torch.tensor([[[7.3,11.8,0.]]])
    assert float(pose_loss(torch.zeros(1, 1, 24, 32), gone))<1e-6 and float(pose_loss(bells(gone[0,:,:2])[None], gone))>1

def test_found_points_are_in_pixels_of_the_frame():
    "Whatever the frame's size: a map with a peak at a known share of the picture"
    judge = JUDGES['pose'](JudgeConfig(kind='pose', out=1, width=16))
    judge.maps = lambda frames: bells(torch.tensor([[15.5,11.5]]))[None]  # the middle of 24 x 32 cells
    for size in ((96,128), (48,64), (60,80)):
        x, y, _ = judge.look(torch.zeros(1, 3, *size))[0,0].tolist()
        assert (x,y)==pytest.approx(((size[1]-1)/2, (size[0]-1)/2), abs=.05)

# ---- people

def described(looks, seen=1.): # (...,P,C) looks -> descriptions
    return torch.cat([looks, torch.full_like(looks[...,:1], seen)], -1)

def test_a_description_is_the_mean_look_of_each_part():
    shares = torch.zeros(1, 2, 4, 4)
    shares[0,0,:2], shares[0,1,2,0] = 1, .5
    looks = torch.arange(16.).view(1,1,4,4)
    (one, two), = describe(shares, looks).tolist()
    assert one==pytest.approx([3.5,8/12], abs=.001) and two==pytest.approx([8,.5/4.5], abs=.02)

def test_people_are_compared_by_what_both_frames_show():
    "Parts that one of them hides can't tell; of the examples the nearest one speaks"
    asked = torch.tensor([[[1.,1.], [7.,0.]]])
    known = torch.tensor([[[[1.,1.], [0.,1.]], [[9.,1.], [7.,1.]]], [[[3.,1.], [7.,1.]], [[4.,1.], [7.,1.]]]])  # two people, two examples, two parts
    assert_close(differences(asked, known), torch.tensor([[0.,2.]]), atol=.002, rtol=0)

def test_one_mistaken_part_does_not_decide():
    "Fifteen parts that are right outweigh one that is far off"
    asked = described(torch.zeros(1, 16, 3))
    right, wrong = described(torch.zeros(1, 1, 16, 3)), described(torch.full((1,1,16,3), .12))
    right[...,0,:3] = 1.  # one part of the right person is taken for another
    assert float(differences(asked, right))<float(differences(asked, wrong))

def test_identity_loss_asks_for_one_description_a_person():
    corners = described(F.one_hot(torch.arange(3), 4).float()[:,None])  # three people of one part
    together, mixed = corners[:,None].expand(-1,4,-1,-1), corners[torch.tensor([[0,1,2,0], [1,2,0,1], [2,0,1,2]])]
    assert float(identity_loss(together))<1e-5 and float(identity_loss(mixed))>math.log(3)

def test_who_is_asked_about_is_no_example():
    "Changing the examples alone changes the loss, and the asked-about alone too"
    x = described(torch.randn(3, 4, 2, 5, generator=rng()))
    for part in (slice(0,2), slice(2,4)):
        y = x.clone()
        y[:,part] = y[:,part].flip(0)
        assert float(identity_loss(y))!=pytest.approx(float(identity_loss(x)), abs=1e-4)

def test_the_nearest_example_names_the_person():
    judge = Recogniser(JudgeConfig(kind='identity', out=3, width=16))
    judge.look = lambda frames: described(frames.mean((2,3))[:,None])  # one part: the mean colour
    colours = torch.eye(3)[:,:,None,None].expand(-1,-1,4,4)
    assert judge.recognise(colours[:,None], colours[[2,0,1,1]]).tolist()==[2,0,1,1]

@pytest.fixture(scope='module')
def three(): return people('test', 3, 2, 5, (64,64))

def test_practice_asks_in_other_places_than_those_of_the_examples():
    "Or walls would be learnt instead of people"
    clip = people('train', 6, 4, 2, (32,32))
    system = JudgeSystem(JudgeConfig(kind='identity', out=8, width=16, batch=16))
    system.begin(clip)
    picked = torch.stack([system._pick(rng(k)).view(4, 4) for k in range(9)]).flatten(0, 1)
    person, place = picked//8, picked%8//2  # eight frames of each person, two in each of four places
    assert (person==person[:,:1]).all() and all(len(set(p.tolist()))==4 for p in person[:,0].view(9, 4))
    assert (place[:,:2]<2).all() and (place[:,2:]>=2).all() and place.unique().tolist()==[0,1,2,3]

def test_people_are_asked_about_in_other_places(three):
    "Frames of one person in a row; the examples are of one place, what is asked of another"
    assert three.things.flatten(1).amax(1).tolist()==[1]*10+[2]*10+[3]*10
    walls = three.frames.unflatten(0, (3,2,5))[:,:,:,:,:8].mean((2,4,5))  # mean colour of the upper border, by person and place
    assert (walls[:,0]-walls[:,1]).abs().amax(-1).min()>.02
    assert EXAMPLES==5

def test_examples_of_many_places_are_one_frame_each():
    "The frames asked about are of other places, and no frame comes twice"
    clip = people('test', 2, 4, 2, (48,48), alone=2)
    assert clip.things.flatten(1).amax(1).tolist()==[1]*6+[2]*6 and 'examples of 2 places' in clip.name
    whole = people('test', 2, 4, 2, (48,48))
    assert torch.equal(clip.frames[:6], whole.frames[[0,2,4,5,6,7]])

def test_a_judge_of_people_is_scored_without_the_examples(three):
    judge = Recogniser(JudgeConfig(kind='identity', out=3, width=16))
    judge.recognise = lambda examples, frames: torch.zeros(len(frames), dtype=torch.long)
    assert judge.score(three)['recognised']==pytest.approx(1/3)
    judge.recognise, given = (lambda *frames: given.append(frames)), []
    assert judge.named(three)[1].tolist()==[0]*5+[1]*5+[2]*5
    assert torch.equal(given[0][0], three.frames.unflatten(0, (3,10))[:,:5]) and torch.equal(given[0][1], three.frames.unflatten(0, (3,10))[:,5:].flatten(0, 1))

def test_test_people_places_and_dances_are_never_trained_on(monkeypatch):
    "The numbers that `people` hands to the world, for every split"
    seen = {}
    class Spy(judges.Dance):
        def __init__(self, **settings):
            for key in ('who','dance','place'): seen.setdefault(key, set()).add(settings[key])
            super().__init__(**settings)
    monkeypatch.setattr(judges, 'Dance', Spy)
    for split in ('train','test'):
        seen.clear()
        people(split, 3, 2, 1, (32,32), first=2)
        assert {split_of(n) for numbers in seen.values() for n in numbers}=={split} and [len(v) for v in seen.values()]==[3,6,6]

# ---- scores

def test_class_scores_are_those_counted_by_hand():
    truth, found = torch.tensor([0,0,0,0,1,1]).view(1,1,2,3), torch.tensor([0,0,0,1,1,1]).view(1,1,2,3)
    made = class_scores(found, truth)
    assert made['accuracy']==pytest.approx(5/6) and made['iou']==pytest.approx((3/4+2/3)/2)

def test_a_class_that_is_not_there_does_not_count():
    truth, found = torch.zeros(1, 1, 2, 2, dtype=torch.long), torch.tensor([0,0,0,3]).view(1,1,2,2)
    assert class_scores(found, truth)['iou']==pytest.approx(3/4)

def test_point_scores_are_shares_of_the_shorter_side():
    truth = torch.tensor([[[10.,10.,1.], [20.,20.,1.], [30.,30.,.4]]])
    found = truth.clone()
    found[0,0,0], found[0,1,1], found[0,2] = 13., 30., 0.
    made = point_scores(found, truth, (100,200))
    assert made['distance']==pytest.approx(.065) and made['near']==.5
    with pytest.raises(InputError, match='no point is seen'): point_scores(found, truth*torch.tensor([1,1,0.]), (100,200))

# ---- training

def test_missing_truth_is_named():
    with pytest.raises(InputError, match='blank: no classes in it'): JudgeSystem().begin(Clip(torch.zeros(4, 3, 32, 32), name='blank'))
    lonely = Clip(torch.zeros(8, 3, 32, 32), things=torch.ones(8, 1, 32, 32, dtype=torch.long), parts=torch.ones(8, 1, 32, 32, dtype=torch.long), name='one')
    with pytest.raises(InputError, match='one: 1 people'): JudgeSystem(JudgeConfig(kind='identity', out=8, width=16)).begin(lonely)
    with pytest.raises(InputError, match=r'shape \(2, 1, 32, 32\)'): JUDGES['segmenter'](JudgeConfig(width=16))(torch.zeros(2, 1, 32, 32))

@pytest.mark.parametrize('kind,out,film', [('segmenter',10,lambda: streets('train', 2, 3, (48,48))), ('pose',25,lambda: dancers('train', 2, 3, (48,48))),
                                           ('identity',16,lambda: people('train', 3, 2, 2, (48,48)))])
def test_every_judge_learns_its_truth(kind, out, film):
    "A small one gets better at a handful of frames, and its sheet shows frames, truth and answer"
    torch.manual_seed(0)
    system, clip = JudgeSystem(JudgeConfig(kind=kind, out=out, width=16, side=48, batch=12)), film()
    system.begin(clip)
    run = Run(system, TrainConfig(steps=60, lr=3e-3, warmup=5))
    losses = [run.advance(nullcontext())['loss'] for _ in range(60)]
    assert sum(losses[-10:])<.85*sum(losses[:10])
    assert system.generator.look(clip.frames[:2]).shape[0]==2

def test_the_first_steps_need_only_the_opening():
    clip, opening = streets('train', 3, 2, (32,32)), streets('train', 2, 2, (32,32))
    assert torch.equal(clip.frames[:4], opening.frames) and torch.equal(clip.classes[:4], opening.classes)
    drawn = []
    for film in (clip, opening):
        system = JudgeSystem(JudgeConfig(width=16, side=32, early=4, late=3))
        system.begin(film)
        drawn.append(system.draw(rng(4)))
        system.steps += 3
        assert int(max(system._pick(rng(k)).max() for k in range(9)))==len(film)-1
    assert all(torch.equal(drawn[0][k], drawn[1][k]) for k in drawn[0])

# ---- what is shipped

@pytest.mark.parametrize('kind,least', [('segmenter', dict(iou=.55, accuracy=.93)), ('pose', dict(near=.85)), ('identity', dict(recognised=.985))])
def test_shipped_judges_are_worth_asking(kind, least):
    "On real frames they never saw, in every set on the card, and far better than a network that learnt nothing"
    rows = read_card(kind)['scores']
    assert len(rows)>=5
    for name,row in rows.items():
        for key,value in least.items(): assert row[key]<.5*value if name=='untrained' else row[key]>=value, (name, key)

def test_of_a_hundred_people_99_of_100_frames_are_recognised():
    "In five groups of twenty who were never seen, with five examples of each"
    found = [row['recognised'] for name,row in read_card('identity')['scores'].items() if 'examples of 5 places' in name]
    assert len(found)==5 and sum(found)/5>=.99

def test_a_shipped_judge_sees_what_a_film_got_wrong():
    "Frames of another street, another pose, another person are judged worse than the right ones"
    two = streets('test', 2, 2, (96,96))
    judge = load_shipped('segmenter').generator
    right, wrong = (class_scores(judge.look(x), two.classes)['iou'] for x in (two.frames, two.frames.flip(0)))
    assert right>wrong+.2
    two = dancers('test', 2, 2, (96,96))
    judge = load_shipped('pose').generator
    right, wrong = (point_scores(judge.look(x), two.points, (96,96))['near'] for x in (two.frames, two.frames.flip(0)))
    assert right>wrong+.2
    mirrored = judge.look(two.frames.flip(-1)).clone()
    mirrored[...,0] = 95-mirrored[...,0]
    assert point_scores(mirrored, two.points, (96,96))['near']<right-.1  # left and right are told apart
