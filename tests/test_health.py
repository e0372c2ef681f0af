"The monitor: each fault is called by its name in time, healthy runs are let be, and a run that stops leaves its last sound checkpoint"
import re, sys, time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
import pytest, torch
import torch.nn as nn
from v2v_tutorial import engine
from v2v_tutorial.clips.clip import Clip
from v2v_tutorial.clips.labels import extract_labels
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import Run, TrainConfig, fit, load_checkpoint, read_log, save_checkpoint, setting
from v2v_tutorial.health import CAUSES, SIGNS, Diagnosis, Health, TrainingStopped, first_lost, gradient_norm, vital_signs
from v2v_tutorial.vid2vid.generator import Step
from v2v_tutorial.vid2vid.system import SequentialSystem, Vid2VidConfig
from conftest import ROOT

def world(seed=0): return extract_labels(World(seed=seed, size=(32,32)).clip(24))

@pytest.fixture(scope='module')
def clip(): return world()

def build(kind=SequentialSystem, seed=0, spoil=None, **changes):
    torch.manual_seed(seed)
    system = kind(Vid2VidConfig(**{**dict(frame_height=32, frame_width=32, width=16, critic_width=4, perceptual=0., alone_first=10), **changes}))
    if spoil: spoil(system)
    return system

def train(folder, clip, steps, seed=0, kind=SequentialSystem, spoil=None, train={}, **changes): # -> why it stopped, or None
    config = TrainConfig(**{**dict(steps=steps, seed=seed, save_every=10, device='cpu'), **train})
    try: fit(build(kind, seed, spoil, **changes), clip, folder, config, progress=False)
    except TrainingStopped as stopped: return stopped

# ---- faults in the real system, as they happen

def stuck(bias): # the mask starts far out on its sigmoid
    def spoil(system):
        with torch.no_grad(): system.generator.move.bias[2] = bias
    return spoil

class Half(SequentialSystem):
    "The generator's loss in half precision"
    def generator_loss(self, b):
        with torch.autocast('cpu', torch.float16): return super().generator_loss(b)

class HalfScaled(Half):
    "A loss scale, and nobody who looks for infinity"
    def generator_loss(self, b):
        loss, terms, made = super().generator_loss(b)
        return loss*2.**24, terms, made

class HalfSum(SequentialSystem):
    "A sum of squares over a frame in 0..255, in half precision: no module is to blame"
    def generator_loss(self, b):
        loss, terms, made = super().generator_loss(b)
        return loss + 1e-6*(127.5*(made - b['past'][:,-1])).half().square().sum(), terms, made

class PastKeepsGraph(SequentialSystem):
    "`Streams.push` without its detach"
    def advance(self, b, made):
        s = self.streams
        s.frames = torch.cat([s.frames[:,1:], made[:,None]], 1)
        s.place, s.left, self.steps = s.place+1, s.left-1, self.steps+1

class Undetached:
    def __init__(self, x): self.x = x
    def detach(self): return self.x

class CriticsSeeTheGraph(SequentialSystem):
    def critic_loss(self, b, made): return super().critic_loss(b, Undetached(made))

class CriticsMakeItAgain(SequentialSystem):
    def critic_loss(self, b, made):
        return super().critic_loss(b, Undetached(self.generator.step(b['labels'], b['past']+b['noise'], self.plate, self.hints[b['t']-1]).fake))

class Frozen(SequentialSystem):
    "A loss that sees the frame through a detach; after 10 steps, so that there is a gradient to compare with"
    def generator_loss(self, b):
        loss, terms, made = super().generator_loss(b)
        return loss if self.steps<10 else loss.detach() + 0*made.sum(), terms, made

class Masked(SequentialSystem):
    "Takes the mean over visible pixels, of which there are none"
    def generator_loss(self, b):
        loss, terms, made = super().generator_loss(b)
        nobody = torch.zeros_like(made)
        return loss + (nobody*made).sum()/nobody.sum(), terms, made

class Rooted(SequentialSystem):
    "A distance as a root of squares, at zero: the loss is a number and its slope is not"
    def generator_loss(self, b):
        loss, terms, made = super().generator_loss(b)
        return loss + (made - made.detach()).square().sum().sqrt(), terms, made

def deep(clip): return replace(clip, labels=clip.labels*65535)  # a depth map in 16 bits, not scaled

def one_pixel(clip):
    clip = replace(clip, frames=clip.frames.clone())
    clip.frames[9,0,5,5] = float('nan')  # later: a `Clip` looks at its numbers when it's made
    return clip

def nothing(clip): return clip

PLAIN = dict(painter=0., sharp=False, horizon=24)  # a painter that is judged by itself holds out longer against critics

FAULTS = { # the cause, the steps allowed (the table of the page), what is done to the clip, and how
    'rate': ('rate', 20, nothing, dict(train=dict(lr=.1))),
    'rate_seed_1': ('rate', 20, nothing, dict(train=dict(lr=.1), seed=1)),
    'rate_without_critics': ('rate', 20, nothing, dict(train=dict(lr=.1), critic=0.)),
    'rate_without_flow': ('rate', 20, nothing, dict(train=dict(lr=.1), flow=False)),
    'critic_rate': ('critic_rate', 30, nothing, dict(train=dict(critic_lr=.025))),
    'critic_weight': ('critic_weight', 80, nothing, dict(critic=5., **PLAIN)),
    'critic_won': ('critic_won', 120, nothing, dict(train=dict(lr=2e-5, critic_lr=2.5e-3), **PLAIN)),
    'half': ('overflow', 1, deep, dict(kind=Half)),
    'half_scaled': ('overflow', 1, nothing, dict(kind=HalfScaled)),
    'half_sum': ('overflow', 1, nothing, dict(kind=HalfSum)),
    'nan_frame': ('broken_input', 0, one_pixel, {}),
    'past_graph': ('past_graph', 2, nothing, dict(kind=PastKeepsGraph)),
    'critics_see_the_graph': ('critic_leak', 1, nothing, dict(kind=CriticsSeeTheGraph)),
    'critics_make_it_again': ('critic_leak', 1, nothing, dict(kind=CriticsMakeItAgain)),
    'mask_at_0': ('mask_at_0', 70, nothing, dict(spoil=stuck(-20.))),
    'mask_at_1': ('mask_at_1', 70, nothing, dict(spoil=stuck(20.))),
    'frozen': ('no_gradient', 31, nothing, dict(kind=Frozen)),
    'empty_mean': ('arithmetic', 1, nothing, dict(kind=Masked)),
    'root': ('arithmetic', 1, nothing, dict(kind=Rooted)),
}

@pytest.mark.parametrize('name', FAULTS)
def test_each_fault_is_called_by_its_name_in_time(clip, tmp_path, name):
    cause, allowed, spoil, how = FAULTS[name]
    stopped = train(tmp_path/'run', spoil(clip), 160, **how)
    assert stopped and stopped.cause==cause, stopped
    assert stopped.step<=allowed and 0<=stopped.diagnosis.since<=stopped.step
    found = load_checkpoint(tmp_path/'run')
    assert found is None or found[1]['step']<=stopped.diagnosis.since and all(v.isfinite().all() for v in found[0].values())

@pytest.mark.slow
@pytest.mark.timeout(2000)
@pytest.mark.parametrize('name', ['rate','critic_rate','critic_weight','critic_won','mask_at_0','mask_at_1'])
@pytest.mark.parametrize('seed', range(2, 7))
def test_faults_of_numbers_are_named_with_other_seeds_too(tmp_path, name, seed):
    cause, allowed, _, how = FAULTS[name]
    stopped = train(tmp_path/'run', world(seed), 160, **{**how, 'seed': seed})
    assert stopped and stopped.cause==cause and stopped.step<=allowed, stopped

class FiftyTimes(SequentialSystem):
    "The critics learn fifty times for each step of the generator"
    def critic_loss(self, b, made):
        if not hasattr(self, 'more'): self.more = torch.optim.Adam(self.players()['critics'], 5e-4, betas=(.5,.99))
        for _ in range(49):
            loss = super().critic_loss(dict(b, wanted=self._judged(*self._real(b), b)), made)[0]
            self.more.zero_grad()
            loss.backward()
            self.more.step()
        return super().critic_loss(dict(b, wanted=self._judged(*self._real(b), b)), made)

@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_critics_that_learn_fifty_times_have_won(clip, tmp_path):
    stopped = train(tmp_path/'run', clip, 160, kind=FiftyTimes)
    assert stopped.cause=='critic_won' and stopped.step<=120

# ---- healthy runs raise nothing

STEPS = 150

@pytest.mark.parametrize('seed', range(5))
def test_healthy_seeds_raise_nothing(tmp_path, seed):
    assert train(tmp_path/'run', world(seed), STEPS, seed) is None
    rows = read_log(tmp_path/'run')
    assert len(rows)==STEPS and sum(r['pixels'] for r in rows[-10:])<.7*sum(r['pixels'] for r in rows[:10])

@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize('seed', range(20))
def test_twenty_healthy_seeds_raise_nothing(tmp_path, seed):
    assert train(tmp_path/'run', world(100+seed), 300, seed, alone_first=100, width=16+16*(seed%2), critic_width=4+4*(seed%3), streams=1+seed%3) is None

def film(clip, frames): return extract_labels(replace(clip, frames=frames, labels=None, flow=None, visible=None, ids=None))
def colour(*rgb): return torch.tensor(rgb).view(3,1,1).expand(24,3,32,32).clone()
def lit(frames): # black, then the film from its middle on, as after a title
    frames = frames.clone()
    frames[:12] = -1.
    return frames

FILMS = dict(black=lambda c: colour(-1.,-1.,-1.), white=lambda c: colour(1.,1.,1.), one_colour=lambda c: colour(.8,-.3,.1), title=lambda c: lit(c.frames),
             still=lambda c: c.frames[:1].expand(24,-1,-1,-1).clone(), poster=lambda c: c.frames.sign(),
             noise=lambda c: torch.rand(24,3,32,32, generator=torch.Generator().manual_seed(0))*2 - 1)

@pytest.mark.parametrize('name', FILMS)
def test_odd_films_are_no_illness(clip, tmp_path, name):
    assert train(tmp_path/'run', film(clip, FILMS[name](clip)), 80) is None

@pytest.mark.parametrize('how', [dict(flow=False), dict(critic=0.), dict(alone_first=1000), dict(alone=0., alone_first=0), dict(own_past=False),
                                 dict(train=dict(lr=1e-5, critic_lr=5e-6)), dict(train=dict(critic_lr=0.)), dict(train=dict(precision='bf16')), dict(critic=1.)],
                         ids=['no_flow','no_critic','alone_to_the_end','never_alone','teacher','slow','still_critic','bf16','heavier_critic'])
def test_unusual_settings_are_no_illness(clip, tmp_path, how):
    assert train(tmp_path/'run', clip, 80, **how) is None

def test_a_mask_may_be_stuck_while_the_painter_stands_alone(clip, tmp_path):
    assert train(tmp_path/'run', clip, 80, spoil=stuck(20.), alone_first=1000) is None

# ---- what is seen

def test_vital_signs_of_known_frames():
    made, real = torch.zeros(2,3,4,4), torch.full((2,3,4,4), -1.)
    made[0,:,:2], made[0,:,2:] = 1., -.99
    seen = vital_signs(made, dict(real=real))
    assert seen['pinned']==.5 and seen['real_pinned']==1 and seen['real_spread']==0
    assert float(seen['error'])==pytest.approx(((2+.01)/2+1)/2) and float(seen['spread'])==pytest.approx(float(made[0,0].std())/2)

def half_mask(painted, warped, mask, used):
    shape = torch.Size((2,1,4,4))
    step = Step(None, torch.full((2,3,4,4), painted), torch.full((2,3,4,4), warped), None, torch.stack([torch.full((1,4,4), m) for m in mask]))
    return vital_signs(torch.zeros(2,3,4,4), dict(real=torch.zeros(2,3,4,4), step=step, blended=torch.tensor(used)))

def test_the_mask_counts_where_it_is_used():
    seen = half_mask(.5, .1, (.2,.9), (True,False))
    assert float(seen['mask_low'])==float(seen['mask_high'])==pytest.approx(.2) and seen['blended']==1
    assert seen['warped_better']==.5 and seen['painted_better']==0
    seen = half_mask(.1, .5, (.2,.9), (False,True))
    assert float(seen['mask_low'])==float(seen['mask_high'])==pytest.approx(.9) and seen['painted_better']==.5
    seen = half_mask(.5, .1, (.2,.9), (False,False))
    assert seen['blended']==0 and seen['warped_better']==0

def test_signs_are_tensors_and_carry_no_graph():
    made = torch.zeros(1,3,4,4, requires_grad=True)
    seen = vital_signs(made.tanh(), dict(adversarial=made.mean(), pull=made.sum()))
    assert set(seen)=={'pinned','spread','adversarial','pull'} and all(v.shape==() and not v.requires_grad for v in seen.values())

def test_what_the_sequential_system_shows(clip):
    system = build(alone_first=0, alone=.5, streams=8)
    system.begin(clip)
    batch = system.draw(torch.Generator().manual_seed(1))
    loss, _, made = system.generator_loss(batch)
    shown = system.vitals(batch, made)
    assert torch.equal(shown['real'], clip.frames[batch['t']]) and 0<shown['blended'].sum()<8
    for i,blended in enumerate(shown['blended']): assert torch.equal(made[i], (shown['step'].fake if blended else shown['step'].raw)[i])
    system.config = replace(system.config, critic=0.)
    rest = system.generator_loss(batch)[0]
    judged, pull = (shown[k].item() for k in ('adversarial','pull'))
    assert 0<judged<4 and pull==pytest.approx(.1*2*judged)
    assert (loss-rest).item()>pull # the rest of the difference is feature matching
    assert 'adversarial' not in system.vitals(batch, made)

def feed(steps, **numbers): # a monitor that sees the same numbers again and again
    health = Health(build())
    for health.step in range(1, steps+1): health.see(dict(dict(generator_gradient=1., loss=1., pinned=0., spread=1.), **numbers), {}, nullcontext())

MASK = dict(painted_better=.1, warped_better=.1)

@pytest.mark.parametrize('numbers', [dict(mask_low=1e-9, mask_high=.5, blended=1., **MASK), dict(mask_low=.5, mask_high=1., blended=1., **MASK),
    dict(mask_low=2.5, mask_high=-1.5, blended=0., **MASK), dict(mask_low=0., mask_high=1e-9, blended=1., painted_better=0., warped_better=.9),
    dict(mask_low=1., mask_high=1., blended=1., painted_better=.9, warped_better=0.), dict(pinned=1., real_pinned=1.), dict(spread=0., real_spread=0.),
    dict(spread=.2, real_spread=.4), dict(critic_loss=.01, adversarial=.3), dict(critic_loss=.4, adversarial=1.), dict(pull=.4), dict(generator_gradient=1e-9, error=.001)],
    ids=['zero_at_one_pixel','one_at_one_pixel','unused','zero_is_right','one_is_right','black','one_colour','soft','critic_content','critic_weak','light_critic','learnt'])
def test_these_numbers_are_no_illness_however_long(numbers): feed(400, **numbers)

@pytest.mark.parametrize('numbers,cause', [(dict(mask_low=0., mask_high=1e-9, blended=1., **MASK), 'mask_at_0'), (dict(mask_low=1., mask_high=1., blended=1., **MASK), 'mask_at_1'),
    (dict(pinned=.9, real_pinned=.1), 'saturated'), (dict(spread=.01, real_spread=.3), 'collapsed'), (dict(critic_loss=.01, adversarial=.99), 'critic_won'),
    (dict(pull=.9, error=.3), 'critic_weight')])
def test_these_numbers_are(numbers, cause):
    with pytest.raises(TrainingStopped) as found: feed(400, **numbers)
    assert found.value.cause==cause

def test_an_illness_that_shows_late_began_before():
    "Growth is seen over two looks at the weights, and means lag: what was saved meanwhile is not sound"
    slow = [s for s in SIGNS.values() if 'within 20 steps' in s.says]
    assert len(slow)==2 and all(s.back==20==2*Health.look_every for s in slow) and SIGNS['worse'].back>=5 and SIGNS['won'].back>=10
    health = Health(toy())
    health.step = 50
    health._judge('late', replace(SIGNS['flat'], rule=lambda n: True, back=20), {})
    assert health.sound==29
    looks = [step for step in range(1, 31) for health.step in [step] if 'generator_weight' in health.vital_signs(torch.zeros(1,3,4,4), {})]
    assert looks==[10,20,30]

def test_a_run_that_has_not_learnt_yet_is_sound():
    health = Health(build())
    health.step, health.memory = 9, {'grey.since': 2., 'grey.steps': 7.}
    assert health.sound==9
    health.memory['flat.since'] = 5.
    assert health.sound==5

def test_a_clip_is_as_saturated_as_its_most_saturated_frame_and_as_plain_as_its_plainest():
    frames = torch.rand(3,3,8,8, generator=torch.Generator().manual_seed(0))
    frames[1], frames[2] = frames[1].sub(.5).sign(), .5
    health = Health(build())
    health.begin(Clip(frames))
    assert health.clip==dict(real_pinned=1., real_spread=0.)

@pytest.mark.parametrize('before,cause', [(1.4,'rate'), (1.2,'arithmetic')])
def test_a_lost_number_after_weights_have_grown_is_the_fault_of_the_rate(before, cause):
    "Since the look before the last"
    health = Health(build())
    health.memory['generator_weight_before'] /= before
    assert health._thrown()==cause

def test_a_graph_in_the_past_is_seen_before_anything_is_computed(clip, tmp_path):
    stopped = train(tmp_path, clip, 5, kind=PastKeepsGraph)
    assert stopped.diagnosis==Diagnosis('past_graph', 'what was drawn for this step carries a graph', 2, 1)

# ---- a small system whose illness can be chosen

@dataclass(frozen=True)
class ToyConfig: width:int = setting(4, 'channels', 1, 64)

class Toy(nn.Module):
    "Learns the frame from itself; `show` makes what the monitor sees of step k"
    def __init__(self, show=None):
        super().__init__()
        self.config, self.show, self.turn = ToyConfig(), show or (lambda k, x: x), 0
        self.generator, self.critic = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 1, 3)
        self.register_buffer('memory', torch.zeros(1))
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
    def players(self): return dict(generator=list(self.generator.parameters()), critic=list(self.critic.parameters()))
    def begin(self, clip): self.clip = clip
    def draw(self, rng): return dict(t=(t := torch.randint(len(self.clip), (2,), generator=rng)), real=self.clip.frames[t])
    def generator_loss(self, b):
        made = self.generator(b['real'])
        loss = (made - b['real']).abs().mean()
        return loss, dict(loss=loss), self.show(int(self.steps)+1, made)
    def critic_loss(self, b, made):
        loss = self.critic(made.detach()).square().mean() + (self.critic(b['real'])-1).square().mean()
        return loss, dict(critic=loss)
    def advance(self, b, made): self.steps += 1

class Shown(Toy):
    def vitals(self, b, made): return dict(real=b['real'])

def toy(kind=Toy, show=None):
    torch.manual_seed(0)
    return kind(show)

def toy_train(folder, system, frames=None, **changes):
    frames = torch.rand(6,3,8,8, generator=torch.Generator().manual_seed(0))*1.6 - .8 if frames is None else frames
    fit(system, Clip(frames), folder, TrainConfig(**{**dict(steps=80, save_every=5, device='cpu'), **changes}), progress=False)

def after(step, change): return lambda k, x: x if k<=step else change(x)
def flat(x): return x*0 + .3
def ends(x): return torch.where(x>0, 1., -1.) + 0*x

def test_a_system_that_shows_nothing_is_judged_by_the_clip(tmp_path):
    with pytest.raises(TrainingStopped) as found: toy_train(tmp_path/'a', toy(show=after(20, flat)))
    assert found.value.cause=='collapsed' and found.value.step==45 and found.value.diagnosis.since==20
    with pytest.raises(TrainingStopped) as found: toy_train(tmp_path/'b', toy(show=after(20, ends)))
    assert found.value.cause=='saturated' and found.value.step==35
    plain = torch.cat([torch.zeros(1,3,8,8), torch.rand(5,3,8,8)*1.6-.8]) # one frame of the clip has one colour
    toy_train(tmp_path/'c', toy(show=after(20, flat)), plain)

def test_a_sign_that_passes_is_no_illness(tmp_path):
    toy_train(tmp_path, toy(show=lambda k, x: flat(x) if k%25>2 else x)) # 22 steps of 25, again and again

def test_grey_from_the_start_is_given_time(tmp_path):
    with pytest.raises(TrainingStopped) as found: toy_train(tmp_path, toy(show=lambda k, x: flat(x)), steps=400)
    assert found.value.cause=='collapsed' and found.value.step==300 and load_checkpoint(tmp_path) is None

def test_frames_worse_than_untrained_are_an_illness(tmp_path):
    with pytest.raises(TrainingStopped, match='further from the real ones') as found: toy_train(tmp_path, toy(Shown, after(20, lambda x: x*0 + 3)))
    assert 28<=found.value.step<=32

def test_no_watch_lets_it_go_on_but_for_lost_numbers(tmp_path):
    clip = Clip(torch.rand(6,3,8,8)*1.6-.8)
    config = TrainConfig(steps=60, save_every=5, device='cpu')
    fit(toy(show=after(20, flat)), clip, tmp_path/'a', config, progress=False, watch=False)
    sick = toy()
    loss = sick.generator_loss
    sick.generator_loss = lambda b: (lambda l, t, m: (l/0 if int(sick.steps)==9 else l, t, m))(*loss(b))
    with pytest.raises(TrainingStopped, match='is inf'): fit(sick, clip, tmp_path/'b', config, progress=False, watch=False)

# ---- what is left

def names(folder): return sorted(p.name for p in (folder/'checkpoints').iterdir())

def test_the_newest_sound_checkpoint_is_left_and_ill_ones_are_set_aside(tmp_path):
    with pytest.raises(TrainingStopped, match='its last checkpoint is kept, of step 20') as found: toy_train(tmp_path, toy(show=after(21, flat)))
    assert found.value.step==46 and load_checkpoint(tmp_path)[1]['step']==20
    assert names(tmp_path)==['ill-000040','ill-000045','step-000020']

def test_the_same_command_again_stops_again_and_loses_nothing(tmp_path):
    for _ in range(2):
        with pytest.raises(TrainingStopped) as found: toy_train(tmp_path, toy(show=after(21, flat)))
        assert found.value.step==46 and names(tmp_path)==['ill-000040','ill-000045','step-000020']
    toy_train(tmp_path, toy()) # once the fault is gone, it goes on
    assert load_checkpoint(tmp_path)[1]['step']==80

def test_a_run_that_stops_before_its_first_checkpoint_leaves_a_folder_for_another(tmp_path):
    with pytest.raises(TrainingStopped, match='left no checkpoint, and the folder can be used again'): toy_train(tmp_path, toy(show=lambda k, x: ends(x)))
    assert load_checkpoint(tmp_path) is None and 0<len(read_log(tmp_path))<15
    toy_train(tmp_path, toy(), steps=7, lr=1e-4)
    assert load_checkpoint(tmp_path)[1]['step']==7 and len(read_log(tmp_path))==7

def test_a_broken_clip_leaves_nothing(clip, tmp_path):
    stopped = train(tmp_path/'run', one_pixel(clip), 10)
    assert stopped.step==0 and 'frame 9 of the clip' in str(stopped) and not (tmp_path/'run').exists()

@pytest.mark.parametrize('name', ['frames','labels','flow'])
def test_a_clip_is_read_to_the_last_number(name):
    clip = World(seed=0, size=(32,32)).clip(4)
    clip = replace(clip, labels=torch.zeros(4,1,32,32))
    getattr(clip, name)[2,0,3,3] = float('nan')
    with pytest.raises(TrainingStopped, match=f'frame 2 of the clip holds nan or infinity in its {name}') as found: Health.check_clip(clip)
    assert found.value.cause=='broken_input'

def test_a_batch_that_holds_no_numbers_is_named(tmp_path):
    "The clip was sound, and what was made of it isn't"
    system = toy()
    draw = system.draw
    def drawn(rng):
        b = draw(rng)
        return b if system.steps<6 else dict(b, real=b['real']/0)
    system.draw = drawn
    with pytest.raises(TrainingStopped, match="'real' of its batch holds such numbers") as found: toy_train(tmp_path, system)
    assert found.value.cause=='broken_input' and found.value.step==7 and load_checkpoint(tmp_path)[1]['step']==5

def test_the_newest_up_to_a_step_is_spared(tmp_path):
    for step,sound in ((1,None), (2,None), (3,2), (4,2), (5,2), (6,None)):
        save_checkpoint(tmp_path, step, dict(a=torch.zeros(1)), {}, sound=sound)
        if step==5: assert names(tmp_path)==['step-000002','step-000004','step-000005']
    assert names(tmp_path)==['step-000005','step-000006']

def test_a_checkpoint_of_the_last_sound_step_is_sound(tmp_path):
    for step in (5, 10): save_checkpoint(tmp_path, step, dict(a=torch.zeros(1)), {})
    assert engine._set_aside(tmp_path, 10)==10 and names(tmp_path)==['step-000005','step-000010']
    assert engine._set_aside(tmp_path, 9)==5 and names(tmp_path)==['ill-000010','step-000005']
    assert engine._set_aside(tmp_path, 4) is None and names(tmp_path)==['ill-000005','ill-000010']

# ---- a run that was interrupted sees what the whole one sees

def interrupted(folder, stops, **changes): # the power goes in the middle of these steps
    for stop in stops:
        system = toy(show=after(21, flat))
        learn = system.critic_loss
        def critic_loss(b, made):
            if int(system.steps)+1==stop: raise KeyboardInterrupt
            return learn(b, made)
        system.critic_loss = critic_loss
        with pytest.raises(KeyboardInterrupt): toy_train(folder, system, **changes)

@pytest.mark.parametrize('stops', [(3,), (13,24), (24,33,42)])
def test_an_interrupted_run_stops_at_the_same_step_for_the_same_reason(tmp_path, stops):
    found = []
    for folder,at in ((tmp_path/'whole', ()), (tmp_path/'again', stops)):
        interrupted(folder, at)
        with pytest.raises(TrainingStopped) as stopped: toy_train(folder, toy(show=after(21, flat)))
        found.append(stopped.value.diagnosis)
    assert found[0]==found[1] and names(tmp_path/'whole')==names(tmp_path/'again')

def test_memory_goes_on_to_the_bit(clip, tmp_path):
    "Killed after 13 and after 27 steps of the real system: all that the monitor knows is what the whole run knows"
    train(tmp_path/'whole', clip, 30)
    for stop in (13, 27):
        system = build()
        draw = system.draw
        def drawn(rng, draw=draw, system=system, stop=stop):
            if int(system.steps)==stop: raise KeyboardInterrupt
            return draw(rng)
        system.draw = drawn
        with pytest.raises(KeyboardInterrupt): fit(system, clip, tmp_path/'killed', TrainConfig(steps=30, save_every=10, device='cpu'), progress=False)
    train(tmp_path/'killed', clip, 30)
    a, b = load_checkpoint(tmp_path/'whole')[0], load_checkpoint(tmp_path/'killed')[0]
    assert a.keys()==b.keys() and sum(k.startswith('health.') for k in a)>10 and all(torch.equal(v, b[k]) for k,v in a.items())

def test_a_checkpoint_from_before_the_monitor_goes_on_without_alarm(tmp_path):
    toy_train(tmp_path, toy(Shown), steps=40)
    tensors, notes = load_checkpoint(tmp_path)
    notes['train']['steps'] = 80
    save_checkpoint(tmp_path, 40, {k: v for k,v in tensors.items() if not k.startswith('health.')}, notes)
    toy_train(tmp_path, toy(Shown))
    assert load_checkpoint(tmp_path)[1]['step']==80 and 'health.start_error' not in load_checkpoint(tmp_path)[0]

# ---- words and pages

@pytest.mark.parametrize('name', CAUSES)
def test_a_cause_leads_to_a_page_that_exists(name):
    found = Diagnosis(name, 'something was seen', 7, 3)
    assert (ROOT/found.page).exists() and str(found).count('\n')==0 and f'at step 7. Likely cause: {CAUSES[name].says}' in str(found)
    stopped = TrainingStopped(found)
    assert (stopped.cause, stopped.step, stopped.page)==(name, 7, found.page) and stopped.diagnosis is found

def test_every_cause_is_reached_and_every_sign_names_one():
    source = Path(ROOT/'v2v_tutorial'/'health.py').read_text()
    for name in CAUSES: assert len(re.findall(rf"'{name}'", source))>=1, name
    numbers = dict(generator_grown=1., loss=1., pinned=0.)
    for sign in SIGNS.values(): assert (sign.cause if isinstance(sign.cause, str) else sign.cause(numbers)) in CAUSES

@pytest.mark.parametrize('grown,pull,cause', [(1.5,0.,'rate'), (1.5,.9,'rate'), (1.,.9,'critic_weight'), (1.,.1,'saturated')])
def test_one_symptom_has_several_causes(grown, pull, cause):
    assert SIGNS['pinned'].cause(dict(generator_grown=grown, pull=pull, loss=1.))==cause

def test_the_page_and_the_tests_allow_the_same():
    page = (ROOT/'nbs'/'07_gpu'/'02_health.ipynb').read_text()
    rows = re.findall(r"\('(\w+)', (\d+), dict\(", page)
    allowed = {(cause, steps) for cause,steps,*_ in FAULTS.values()}
    assert len(rows)>=10 and {(cause, int(steps)) for cause,steps in rows}<=allowed

# ---- the autopsy

def test_the_first_lost_function_is_named(clip):
    system = build(Half)
    system.begin(deep(clip))
    batch = system.draw(torch.Generator().manual_seed(0))
    assert first_lost(system, batch, nullcontext())==(('conv2d', torch.float16), True)
    system = build(Masked)
    system.begin(clip)
    (name, kind), half = first_lost(system, system.draw(torch.Generator().manual_seed(0)), nullcontext())
    assert 'div' in name and kind==torch.float32 and not half

def test_other_errors_are_not_swallowed(clip, tmp_path):
    class Wrong(SequentialSystem):
        def critic_loss(self, b, made):
            loss, terms = super().critic_loss(b, made)
            loss.register_hook(lambda g: torch.zeros(2)[5])
            return loss, terms
    with pytest.raises(IndexError): train(tmp_path, clip, 3, kind=Wrong)

def test_gradient_norm_is_the_length_of_all_gradients():
    a, b, c = (torch.zeros(2, requires_grad=True) for _ in range(3))
    (3*a[0] + 4*b[1]).backward()
    assert gradient_norm([a, b, c])==5 and gradient_norm([c])==0

# ---- cheap

def test_all_numbers_of_a_step_are_read_at_once(clip, monkeypatch):
    "What waits for a device: two losses that must be numbers before the backward pass, as ever, and one list"
    system = build()
    system.begin(clip)
    run, calls = Run(system, TrainConfig(device='cpu')), []
    run.health.begin(clip)
    own = lambda frame: 'v2v_tutorial' in frame.f_code.co_filename # Adam on the CPU reads its own counters
    for name in ('item','tolist','__bool__','__float__'):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda x, *a, plain=plain, name=name: (own(sys._getframe(1)) and calls.append(name)) or plain(x, *a))
    draw = system.draw
    system.draw = lambda rng: (draw(rng), calls.clear())[0] # drawing reads its own dice
    run.advance(nullcontext())
    assert sorted(calls)==['__bool__','__bool__','tolist']

def test_the_monitor_takes_a_small_share_of_a_step(clip):
    "Seconds of this processor, so that other work does not count; at a size far below any real one"
    system = build(alone_first=0, width=32)
    system.begin(clip)
    run, spent = Run(system, TrainConfig(device='cpu')), [0.]
    run.health.begin(clip)
    def timed(call):
        def wrapped(*args):
            began = time.process_time()
            out = call(*args)
            spent[0] += time.process_time() - began
            return out
        return wrapped
    for name in ('check_batch','vital_signs','see'): setattr(run.health, name, timed(getattr(run.health, name)))
    run.advance(nullcontext())
    spent[0], began = 0., time.process_time()
    for _ in range(15): run.advance(nullcontext())
    assert spent[0]<.1*(time.process_time() - began)
