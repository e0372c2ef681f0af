"The sequential system: streams that practise on their own output, losses that reach only whom they should, and a loss that falls"
from dataclasses import fields, replace
import pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.labels import extract_labels
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import Run, TrainConfig, TrainingStopped, fit, load_checkpoint
from v2v_tutorial.motion.warp import flows_dis
from v2v_tutorial.vid2vid.generator import Step
from v2v_tutorial.vid2vid.generator import label_motion
from v2v_tutorial.vid2vid.system import SequentialSystem, Streams, Vid2VidConfig

@pytest.fixture(scope='module')
def clip(): return extract_labels(World(seed=0, size=(32,32)).clip(24))[:18]

def config(**changes):
    small = dict(frame_height=32, frame_width=32, width=16, critic_width=4, perceptual=0., alone_first=0, alone=0., noise=0.)
    return Vid2VidConfig(**{**small, **changes})

def build(clip, seed=0, **changes):
    torch.manual_seed(seed)
    system = SequentialSystem(config(**changes))
    system.begin(clip)
    return system

def dice(seed=0): return torch.Generator().manual_seed(seed)
def weights(module): return [p.detach().clone() for p in module.parameters()]
def same(a, b): return all(torch.equal(x, y) for x,y in zip(a, b))
def step(system, rng): # one moment, nobody learns
    batch = system.draw(rng)
    loss, terms, made = system.generator_loss(batch)
    system.advance(batch, made)
    return batch, loss, terms, made

# ---- streams

def film(t=12): return torch.arange(float(t)).view(t,1,1,1).expand(t,3,1,1) # frame t is full of t

def lives(count=3, horizon=5, frames=12, turns=400):
    "Per stream: how many frames it made between two starts; and the first place of each life"
    streams, real, rng = Streams(count, (1,1), 2), film(frames), dice()
    ages, found, starts, places = [0]*count, [], [], []
    for turn in range(turns):
        before = streams.place.clone()
        streams.refill(real, horizon, rng)
        for i in range(count):
            fresh = streams.frames[i,-1,0,0,0]>=0 # made frames are full of -1
            if fresh and turn: found.append(ages[i])
            if fresh: ages[i], starts = 0, starts + [int(streams.place[i])]
            else: assert streams.place[i]==before[i]
            ages[i] += 1
        places += streams.place.tolist()
        streams.push(torch.full((count,3,1,1), -1.))
    return found, starts, places

def test_no_film_outlives_the_horizon_and_all_lengths_occur():
    found, *_ = lives()
    assert len(found)>100 and set(found)=={1,2,3,4,5}

def test_places_stay_inside_the_training_frames_and_reach_both_ends():
    _, starts, places = lives()
    assert (min(starts),max(starts),max(places))==(2,11,11)

def test_a_horizon_beyond_the_clip_ends_at_its_last_frame():
    found, _, places = lives(horizon=10_000, turns=600)
    assert max(places)==11 and max(found)<=10

def test_a_restart_takes_the_frames_just_before():
    streams = Streams(4, (1,1), 2)
    streams.refill(film(), 5, dice())
    t = streams.place.float()
    assert_close(streams.frames[:,:,0,0,0], torch.stack([t-2,t-1], 1))

def test_pushing_keeps_the_newest_last_and_moves_on():
    streams = Streams(2, (1,1), 3)
    streams.refill(film(), 9, dice())
    place, left, old = streams.place.clone(), streams.left.clone(), streams.frames.clone()
    streams.push(torch.full((2,3,1,1), -7.))
    assert torch.equal(streams.frames[:,:2], old[:,1:]) and (streams.frames[:,2]==-7).all()
    assert torch.equal(streams.place, place+1) and torch.equal(streams.left, left-1)

def test_streams_are_saved_with_the_weights(clip):
    system = build(clip)
    step(system, dice())
    kept = system.state_dict()
    assert {'streams.place','streams.left','streams.frames','steps','plate'}<=set(kept) and kept['streams.frames'].abs().sum()>0
    twin = build(clip, seed=1)
    twin.load_state_dict(kept)
    a, b = system.draw(dice(5)), twin.draw(dice(5))
    assert all(torch.equal(torch.as_tensor(a[k]), torch.as_tensor(b[k])) for k in a)

def test_the_same_dice_draw_the_same_whatever_torch_does_elsewhere(clip):
    system, twin = build(clip, noise=.1, alone=.5), build(clip, noise=.1, alone=.5)
    torch.manual_seed(123)
    a = system.draw(dice(3))
    torch.manual_seed(321)
    b = twin.draw(dice(3))
    assert all(torch.equal(torch.as_tensor(a[k]), torch.as_tensor(b[k])) for k in a) and a['noise'].any()

# ---- what a step is given

def test_a_batch_holds_labels_now_and_before(clip):
    system = build(clip, streams=4)
    b = system.draw(dice())
    assert_close(b['labels'], torch.stack([clip.labels[b['t']-1], clip.labels[b['t']]], 1))
    assert 2<=b['t'].min() and b['t'].max()<len(clip)

def test_own_past_is_what_was_made_and_teacher_forcing_is_what_was_real(clip):
    kept = {}
    for own in (True, False):
        system = build(clip, own_past=own, horizon=1000, streams=4)
        first = system.draw(dice())
        assert_close(first['past'], torch.stack([clip.frames[first['t']-2], clip.frames[first['t']-1]], 1))
        system.advance(first, torch.full_like(first['past'][:,0], .77))
        system.streams.left.fill_(9)
        again = system.draw(dice())
        going = again['t']==first['t']+1
        assert going.any()
        kept[own] = again['past'][going][:,-1]
        assert torch.equal(kept[own], clip.frames[again['t']-1][going]) is not own
    assert (kept[True]==.77).all() and not torch.equal(kept[True], kept[False])

def test_noise_is_at_most_what_was_asked_and_differs_per_sample(clip):
    system = build(clip, noise=.1, streams=8)
    noise = system.draw(dice())['noise']
    size = noise.flatten(1).std(1)
    assert noise.shape==(8,2,3,32,32) and 0<size.min() and size.max()<.105 and size.std()>.01
    assert not build(clip, noise=0.).draw(dice())['noise'].any()

def test_noise_blurs_the_past_of_the_generator_but_not_what_the_critic_sees(clip):
    system, seen = build(clip, noise=.5), []
    b = system.draw(dice())
    system.generator.step, real_step = lambda *args: seen.append(args) or real_step(*args), system.generator.step
    shown = watch(system.temporal_critic)
    _, _, made = system.generator_loss(b)
    assert_close(seen[0][1], b['past']+b['noise'])
    assert any(torch.equal(x[:,:6], b['past'].flatten(1,2)) for x in shown)

@pytest.mark.parametrize('alone_first,wanted', [(2,[1,1,0,0]), (0,[0,0,0,0])])
def test_the_painter_stands_alone_at_first(clip, alone_first, wanted):
    system, rng = build(clip, alone_first=alone_first, alone=0.), dice()
    assert [float(step(system, rng)[0]['alone'].mean()) for _ in wanted]==wanted

def test_the_painter_stands_alone_in_its_share_of_samples(clip):
    system, rng = build(clip, alone=.3, streams=100), dice()
    assert .2<float(system.draw(rng)['alone'].mean())<.4

def test_alone_means_that_the_painting_is_the_frame(clip):
    system = build(clip, streams=2)
    b = system.draw(dice())
    b['alone'] = torch.tensor([1.,0.]).view(2,1,1,1)
    made, whole = system.generator_loss(b)[2], system.generator.step(b['labels'], b['past'], system.plate)
    assert_close(made, torch.stack([whole.raw[0], whole.fake[1]]))
    assert not torch.allclose(whole.raw, whole.fake)

# ---- what is kept of the clip

def test_the_plate_is_the_median_of_the_training_frames(clip):
    assert_close(build(clip).plate, clip.frames.median(0, keepdim=True).values)

def test_a_world_brings_its_own_flow_and_a_film_has_it_estimated(clip):
    bare = replace(clip, flow=None, visible=None, ids=None)
    assert torch.equal(build(clip).flow, clip.flow) and torch.equal(build(bare).flow, flows_dis(clip.frames)[0])

def test_flow_is_trusted_where_it_explains_the_frame(clip):
    right = build(clip).trust
    wrong = build(replace(clip, flow=clip.flow+9)).trust
    assert right.shape==(18,1,32,32) and not right[0].any() and right[1:].mean()>.8 and wrong[1:].mean()<right[1:].mean()-.2

def test_the_flow_loss_is_least_at_the_true_flow(clip):
    system = build(clip)
    b = system.draw(dice())
    score = lambda flow: [float(x) for x in system._motion(Step(None, flow=flow), b)]
    true = clip.flow[b['t']]
    assert score(true)[0]==0
    for wrong in (-true, true.flip(1), true/2, 0*true): assert all(w>r for w,r in zip(score(wrong), score(true)))

# ---- critics

def watch(critic): # everything that its first layer is given
    seen = []
    critic.layers[0].register_forward_pre_hook(lambda _,x: seen.append(x[0].detach().clone()))
    return seen

def holds(seen, wanted): return any(x.shape==wanted.shape and torch.allclose(x, wanted) for x in seen)

def test_critics_compare_made_and_real_moments(clip):
    "Image critic: label of now and frame. Temporal critic: two frames of the past, the frame, and the real flow of both steps"
    system = build(clip, streams=3)
    step(system, rng := dice())
    system.streams.left.fill_(9)
    b = system.draw(rng)
    images, moments, t = watch(system.image_critic), watch(system.temporal_critic), b['t']
    made = system.generator_loss(b)[2].detach()
    flows = torch.cat([clip.flow[t-1], clip.flow[t]], 1)/20
    for shown,past in ((made, b['past'].flatten(1,2)), (clip.frames[t], torch.cat([clip.frames[t-2], clip.frames[t-1]], 1))):
        assert holds(images, torch.cat([clip.labels[t], shown], 1)) and holds(moments, torch.cat([past, shown, flows], 1))
    del images[:], moments[:]
    other = torch.full_like(made, .5)
    system.critic_loss(b, other)
    assert holds(images, torch.cat([clip.labels[t], other], 1)) and holds(moments, torch.cat([b['past'].flatten(1,2), other, flows], 1))

class Oracle(torch.nn.Module):
    "A critic that knows the real frames: 1 for them, 0 for any other"
    def __init__(self, real, frame): super().__init__(); self.real, self.frame = real, frame
    def forward(self, *parts):
        x = self.frame(*parts)
        return [x, torch.stack([(self.real==one).flatten(1).all(1).any().float() for one in x]).view(-1,1,1,1)]

def test_critics_are_rewarded_for_knowing_real_from_made(clip):
    system = build(clip)
    system.image_critic = Oracle(clip.frames, lambda x: x[:,1:])
    system.temporal_critic = Oracle(clip.frames, lambda frames,flows: frames[:,-1])
    b = system.draw(dice())
    made = system.generator_loss(b)[2]
    assert float(system.critic_loss(b, made)[0])==0
    assert float(system.critic_loss(b, clip.frames[b['t']])[0])==1 # half for each critic that was fooled

def verdicts(system, value): # critics that judge everything alike
    for critic in (system.image_critic, system.temporal_critic):
        critic.layers[-1].weight.data.zero_()
        critic.layers[-1].bias.data.fill_(value)

@pytest.mark.parametrize('verdict,wanted', [(0.,1.), (1.,1.), (.5,.5)])
def test_critics_want_real_judged_one_and_made_zero(clip, verdict, wanted):
    system = build(clip)
    verdicts(system, verdict)
    b, _, _, made = step(system, dice())
    assert system.critic_loss(b, made)[0].item()==pytest.approx(wanted)

def test_the_generator_wants_to_be_judged_one(clip):
    system = build(clip, matching=0., pixels=0., painter=0., flow_weight=0., warp_weight=0., critic=1.)
    losses = []
    for verdict in (0.,1.):
        verdicts(system, verdict)
        losses.append(step(system, dice())[1].item())
    assert losses==pytest.approx([2.,0.])

def test_the_painter_is_judged_by_itself_once_it_is_blended(clip):
    system = build(clip, matching=0., pixels=0., flow_weight=0., warp_weight=0., critic=0., painter=3., alone_first=1)
    first, later = step(system, dice()), step(system, dice())
    assert first[1].item()==0
    raw, real = later[0]['step'].raw, clip.frames[later[0]['t']]
    assert not torch.equal(raw, later[3])
    assert later[1].item()==pytest.approx(3*(raw-real).abs().mean().item())

def test_critics_do_not_reach_the_generator(clip):
    system = build(clip)
    b, _, _, made = step(system, dice())
    system.critic_loss(b, made)[0].backward()
    assert all(p.grad is None for p in system.generator.parameters())
    assert all(p.grad is not None for p in system.players()['critics'])

def test_what_is_remembered_carries_no_graph(clip):
    system, rng = build(clip, horizon=1000), dice()
    for _ in range(3): _, _, _, made = step(system, rng)
    assert made.requires_grad and not system.streams.frames.requires_grad
    assert not any(torch.as_tensor(v).requires_grad for v in system.draw(rng).values())

def test_critics_stay_ready_to_learn(clip):
    system = build(clip)
    step(system, dice())
    assert all(p.requires_grad for p in system.players()['critics'])

def test_every_player_has_its_own_weights(clip):
    system = build(clip)
    players = {name: {id(p) for p in params} for name,params in system.players().items()}
    assert list(players)==['generator','critics'] and not players['generator']&players['critics']
    assert players['generator']|players['critics']=={id(p) for p in system.parameters()}
    assert list(build(clip, critic=0.).players())==['generator']

@pytest.mark.parametrize('still,moving', [('generator','critics'), ('critics','generator')])
def test_one_player_moves_while_the_other_stands(clip, still, moving):
    system = build(clip)
    rates = dict(generator='lr', critics='critic_lr')
    run = Run(system, TrainConfig(steps=5, device='cpu', **{rates[still]: 0.}))
    before = {name: [p.detach().clone() for p in params] for name,params in system.players().items()}
    run.advance(torch.autocast('cpu', enabled=False))
    after = system.players()
    assert same(before[still], after[still]) and not same(before[moving], after[moving])

def test_neither_player_learns_from_the_gradients_of_the_other(clip):
    "After a step the critics' gradients are those of their own loss, and the generator's are those of its own"
    system = build(clip)
    run, seen = Run(system, TrainConfig(steps=5, lr=0., critic_lr=0., device='cpu')), {}
    draw, judge = system.draw, system.critic_loss
    system.draw = lambda rng: seen.setdefault('batch', draw(rng))
    system.critic_loss = lambda b, made: seen.update(made=made.detach()) or judge(b, made)
    run.advance(torch.autocast('cpu', enabled=False))
    alone = dict(generator=system.generator_loss(seen['batch'])[0], critics=judge(seen['batch'], seen['made'])[0])
    for name,params in system.players().items():
        wanted = torch.autograd.grad(alone[name], params, allow_unused=True)
        for p,g in zip(params, wanted): assert_close(p.grad, g)

# ---- losses

def test_terms_depend_on_what_is_asked_for(clip):
    names = lambda **changes: set(step(build(clip, **changes), dice())[2])
    assert names()=={'pixels','flow'} and names(flow=False)=={'pixels'} and names(perceptual=1.)=={'pixels','flow','perceptual'}

@pytest.mark.parametrize('term', ['pixels','critic','matching','flow_weight','warp_weight','perceptual'])
def test_every_weight_counts(clip, term):
    loss = lambda weight: float(step(build(clip, **{'perceptual': 1., term: weight}), dice())[1].detach())
    assert loss(8.)>loss(4.)+1e-4

def test_perceptual_distance_is_to_the_frame_of_that_moment(clip):
    system = build(clip, perceptual=1., pixels=0., critic=0., flow_weight=0., warp_weight=0.)
    b = system.draw(dice())
    system.generator.step = lambda *_: Step(clip.frames[b['t']], clip.frames[b['t']], flow=clip.flow[b['t']])
    assert float(system.generator_loss(b)[0])==pytest.approx(0, abs=1e-4)

def test_the_judge_is_not_ours_to_train_or_to_save(clip):
    system = build(clip, perceptual=1.)
    assert not any('judge' in k for k in system.state_dict()) and not any(p.requires_grad for p in system.judge[0].parameters())

@pytest.mark.parametrize('changes', [dict(), dict(flow=False), dict(plate=False), dict(own_past=False), dict(critic=0.), dict(perceptual=1.)])
def test_loss_falls_within_twenty_five_steps(clip, changes):
    system = build(clip, noise=.05, **changes)
    fixed = system.draw(dice(9))
    pixels = lambda: float(system.generator_loss(fixed)[1]['pixels'])
    before, run = pixels(), Run(system, TrainConfig(steps=25, warmup=0, device='cpu', lr=2e-3))
    for _ in range(25): run.advance(torch.autocast('cpu', enabled=False))
    after = pixels()
    assert after<.9*before, (after, before)

def test_every_weight_of_the_generator_is_in_the_loss(clip):
    system = build(clip)
    step(system, dice())[1].backward()
    assert not [name for name,p in system.generator.named_parameters() if p.grad is None]

# ---- faults

@pytest.mark.parametrize('change', [lambda c: replace(c, labels=c.labels.expand(-1,2,-1,-1)), lambda c: replace(c, labels=None),
                                    lambda c: extract_labels(World(size=(32,48)).clip(18))], ids=['channels','none','size'])
def test_a_clip_that_does_not_fit_is_named(clip, change):
    with pytest.raises(InputError, match=r'world-0.*labels \(T,1,32,32\)'): build(change(clip))

@pytest.mark.parametrize('frames,ok', [(1,False), (7,False), (8,True)])
def test_a_short_clip_is_refused(clip, frames, ok):
    if ok: build(clip[:frames])
    else:
        with pytest.raises(InputError, match=f'{frames} training frames'): build(clip[:frames])

RANGES = [(f.name, bad) for f in fields(Vid2VidConfig) for bad in
          ([f.metadata['low']-1, f.metadata['high']+1, float('nan'), 'many', None] if f.metadata['low'] is not None else ['maybe', 2])]

@pytest.mark.parametrize('field,value', RANGES)
def test_a_setting_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=rf'^{field}={value!r}: '): Vid2VidConfig(**{field: value})

def test_whole_numbers_are_whole():
    with pytest.raises(InputError, match='streams=2.5'): Vid2VidConfig(streams=2.5)

def sound(folder): # every number of the newest checkpoint is one
    return all(v.isfinite().all() for v in load_checkpoint(folder)[0].values())

@pytest.mark.parametrize('changes', [dict(), dict(plate=False), dict(flow=False, plate=False)])
def test_a_clip_with_a_frame_that_is_no_number_stops_the_run(clip, tmp_path, changes):
    sick = replace(clip, frames=clip.frames.clone())
    sick.frames[9] = float('nan')
    with pytest.raises(TrainingStopped, match=f'^{tmp_path}: .*(nan|no longer a number)'):
        fit(SequentialSystem(config(**changes)), sick, tmp_path, TrainConfig(steps=60, save_every=1, device='cpu'), progress=False)
    assert load_checkpoint(tmp_path) is None or sound(tmp_path)

@pytest.mark.parametrize('what', ['labels','past'])
def test_when_a_number_is_lost_the_last_checkpoint_is_kept(clip, tmp_path, what):
    system = SequentialSystem(config())
    draw = system.draw
    system.draw = lambda rng: (b := draw(rng)) | ({what: b[what]*float('nan')} if system.steps==4 else {})
    with pytest.raises(TrainingStopped, match='at step 5.*last checkpoint is kept'):
        fit(system, clip, tmp_path, TrainConfig(steps=9, save_every=2, device='cpu'), progress=False)
    assert load_checkpoint(tmp_path)[1]['step']==4 and sound(tmp_path)

# ---- the motion of the labels

def test_motion_kept_for_training_is_the_one_computed_at_run_time(clip):
    "The generator is handed hints from a table in training, and computes them in a film: both must be the same"
    system, given = build(clip), []
    plain = system.generator.step
    def spy(labels, history, plate, hint=None):
        given.append((labels, hint))
        return plain(labels, history, plate, hint)
    system.generator.step = spy
    for _ in range(4): step(system, dice(3))
    for labels, hint in given: torch.testing.assert_close(hint, label_motion(labels))
    assert max(float(hint.abs().max()) for _,hint in given)>.2
