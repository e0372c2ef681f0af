"The engine: a checkpoint is whole or not there, a run goes on to the bit after any crash, and it refuses what would spoil it"
import json, os, pickle, shutil
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
import pytest, torch
import torch.nn as nn
from conftest import files
from safetensors.torch import load_file, save_file
from v2v_tutorial import engine
from v2v_tutorial.clips.clip import Clip, InputError
from v2v_tutorial.clips.labels import extract_labels
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import (Run, TrainConfig, TrainingStopped, fingerprint, fit, load_checkpoint, load_run,
                                 pick_device, rate, read_log, save_checkpoint, setting)

# ---- a system that trains in a moment, with all that a checkpoint has to remember: two players, chance, and a memory

@dataclass(frozen=True)
class ToyConfig: width:int = setting(4, 'channels', 1, 64)

class Toy(nn.Module):
    def __init__(self, config=ToyConfig()):
        super().__init__()
        self.config, self.drawn = config, 0
        self.generator = nn.Sequential(nn.Conv2d(4, config.width, 3, padding=1), nn.ReLU(), nn.Conv2d(config.width, 3, 3, padding=1))
        self.critic = nn.Conv2d(3, 1, 3)
        self.register_buffer('memory', torch.zeros(1,3,8,8))

    def players(self): return dict(generator=list(self.generator.parameters()), critic=list(self.critic.parameters()))
    def begin(self, clip): self.clip = clip
    def draw(self, rng):
        self.drawn += 1
        t = int(torch.randint(len(self.clip), (1,), generator=rng))
        return dict(label=self.clip.labels[t:t+1], real=self.clip.frames[t:t+1], noise=.1*torch.randn(1,3,8,8, generator=rng))
    def generator_loss(self, b):
        made = self.generator(torch.cat([b['label'], self.memory + b['noise']], 1))
        loss = (made - b['real']).abs().mean() - .1*self.critic(made).mean()
        return loss, dict(loss=loss), made
    def critic_loss(self, b, made):
        loss = self.critic(made.detach()).square().mean() + (self.critic(b['real'])-1).square().mean()
        return loss, dict(critic=loss)
    def advance(self, b, made): self.memory = made.detach().float()

def noise(*shape, seed=0): return torch.rand(shape, generator=torch.Generator().manual_seed(seed))*2 - 1
def toy_clip(seed=0): return Clip(noise(6,3,8,8, seed=seed), labels=noise(6,1,8,8, seed=9))
def settings(**changes): return TrainConfig(**{**dict(steps=12, save_every=4, device='cpu'), **changes})

def toy(width=4):
    torch.manual_seed(0)
    return Toy(ToyConfig(width))

def train(folder, system=None, clip=None, **changes):
    system = system or toy()
    fit(system, clip or toy_clip(), folder, settings(**changes), progress=False)
    return system

def state(folder): return load_checkpoint(folder)[0]
def same(a, b): return a.keys()==b.keys() and all(torch.equal(v, b[k]) for k,v in a.items())
def newest(folder): return sorted((folder/'checkpoints').glob('step-*'))[-1]

@pytest.fixture(scope='module')
def whole(tmp_path_factory): # an uninterrupted run
    folder = tmp_path_factory.mktemp('whole')
    train(folder)
    return folder

@pytest.fixture
def copy(whole, tmp_path): return Path(shutil.copytree(whole, tmp_path/'run'))

# ---- settings

BAD = [(f.name, bad) for f in fields(TrainConfig) if f.metadata['low'] is not None
       for bad in (f.metadata['low']-1, f.metadata['high']*2+1, float('nan'), 'many', None)] + \
      [('device','gpu'), ('device',None), ('precision','fp8'), ('steps',2.5), ('seed',.5)]

@pytest.mark.parametrize('field,value', BAD)
def test_a_setting_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=rf'^{field}={value!r}: '): TrainConfig(**{field: value})

def test_ends_of_a_range_are_inside():
    TrainConfig(steps=1, decay=0, average=0, seed=0), TrainConfig(decay=1, lr=1)

@pytest.mark.parametrize('name', ['cuda','mps'])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path, name, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    with pytest.raises(InputError, match=f"device='{name}'.*device=cpu"): train(tmp_path/'run', device=name)
    assert not (tmp_path/'run').exists()

@pytest.mark.parametrize('there,wanted', [((True,True),'cuda'), ((False,True),'mps'), ((False,False),'cpu')])
def test_auto_takes_the_best_there_is(there, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: there[0])
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: there[1])
    assert pick_device('auto').type==wanted and pick_device('cpu').type=='cpu'

def test_rate_rises_stays_and_falls_to_a_fiftieth():
    c = settings(steps=100, warmup=10, decay=.5)
    assert [rate(s, c) for s in (0,4,9,10,49,50)]==pytest.approx([.1,.5,1,1,1,1])
    assert rate(75, c)==pytest.approx(.51) and rate(99, c)==pytest.approx(.02+.98/50) and rate(100, c)==pytest.approx(.02)

@pytest.mark.parametrize('changes', [dict(warmup=0), dict(decay=0.), dict(decay=1.), dict(steps=1), dict(steps=3, warmup=50)])
def test_rate_is_a_share_of_the_height_always(changes):
    c = settings(**{**dict(steps=40, warmup=5), **changes})
    assert all(0<rate(s, c)<=1 for s in range(c.steps))

def test_each_player_has_its_own_rate_at_each_step():
    run = Run(toy(), settings(steps=100, lr=.01, critic_lr=.002, warmup=10))
    run.system.begin(toy_clip())
    for step in range(3):
        run.advance(torch.autocast('cpu', enabled=False))
        rates = [run.optimisers[p].param_groups[0]['lr'] for p in ('generator','critic')]
        assert rates==pytest.approx([.01*(step+1)/10, .002*(step+1)/10])

# ---- a checkpoint is whole or not there

TENSORS = dict(a=torch.arange(6.).view(2,3), b=torch.tensor(3), c=torch.ones(2, dtype=torch.uint8))

def test_a_checkpoint_comes_back(tmp_path):
    save_checkpoint(tmp_path, 7, TENSORS, dict(clip='abc'))
    tensors, notes = load_checkpoint(tmp_path)
    assert same(tensors, TENSORS) and notes['step']==7 and notes['clip']=='abc'
    assert [p.name for p in (tmp_path/'checkpoints').iterdir()]==['step-000007']

def test_views_of_one_tensor_are_saved_each_for_itself(tmp_path):
    x = torch.arange(6.)
    save_checkpoint(tmp_path, 1, dict(all=x, part=x[:2], turned=x.view(2,3).T), {})
    assert load_checkpoint(tmp_path)[0]['turned'].tolist()==[[0,3],[1,4],[2,5]]

def test_where_there_is_none_there_is_none(tmp_path):
    assert load_checkpoint(tmp_path) is None and load_checkpoint(tmp_path/'nowhere') is None

def test_two_are_kept(tmp_path):
    for step in (5,10,15,20): save_checkpoint(tmp_path, step, TENSORS, {})
    assert sorted(p.name for p in (tmp_path/'checkpoints').iterdir())==['step-000015','step-000020']

def test_step_a_million_is_newer_than_the_one_before(tmp_path):
    for step in (999_998, 999_999, 1_000_000): save_checkpoint(tmp_path, step, TENSORS, {})
    assert load_checkpoint(tmp_path)[1]['step']==1_000_000

def test_the_same_step_again_replaces(tmp_path):
    save_checkpoint(tmp_path, 5, TENSORS, dict(which=1))
    save_checkpoint(tmp_path, 5, TENSORS, dict(which=2))
    assert load_checkpoint(tmp_path)[1]['which']==2

class Crash(BaseException): "The power goes"

def crash(*args, **kw): raise Crash

def half_a_file(tensors, path):
    save_file(tensors, path)
    os.truncate(path, Path(path).stat().st_size//2)
    raise Crash

def after(whole): # do it, then crash
    def run(*args, **kw):
        whole(*args, **kw)
        raise Crash
    return run

def half_a_text(self, text):
    with open(self, 'w') as f: f.write(text[:len(text)//2])
    raise Crash

POINTS = dict(before_tensors=(engine, 'save_file', crash), half_the_tensors=(engine, 'save_file', half_a_file), after_tensors=(engine, 'save_file', after(save_file)),
              before_notes=(Path, 'write_text', crash), half_the_notes=(Path, 'write_text', half_a_text), after_notes=(Path, 'write_text', after(Path.write_text)),
              before_sync=(engine, '_sync', crash), before_name=(os, 'replace', crash), after_name=(os, 'replace', after(os.replace)),
              while_tidying=(shutil, 'rmtree', None))

@pytest.mark.parametrize('point', POINTS)
def test_a_crash_at_any_point_leaves_a_whole_checkpoint(tmp_path, monkeypatch, point):
    for step in (1,2): save_checkpoint(tmp_path, step, dict(a=torch.tensor(float(step))), {})
    where, name, do = POINTS[point]
    tidy = shutil.rmtree
    def rmtree(path, *args, **kw): # dies while the oldest is deleted
        if Path(path).name=='step-000001':
            (Path(path)/'state.json').unlink()
            raise Crash
        return tidy(path, *args, **kw)
    with monkeypatch.context() as m:
        m.setattr(where, name, do or rmtree)
        with pytest.raises(Crash): save_checkpoint(tmp_path, 3, dict(a=torch.tensor(3.)), {})
    tensors, notes = load_checkpoint(tmp_path)
    assert notes['step']==tensors['a'].item()==(3 if point in ('after_name','while_tidying') else 2)
    save_checkpoint(tmp_path, 3, dict(a=torch.tensor(3.)), {}) # and the next attempt is not hindered by what was left
    assert load_checkpoint(tmp_path)[1]['step']==3
    assert sorted(p.name for p in (tmp_path/'checkpoints').iterdir())==['step-000002','step-000003']

def test_nothing_has_its_final_name_before_it_is_on_the_disk(tmp_path, monkeypatch):
    order, sync, name = [], engine._sync, os.replace
    monkeypatch.setattr(engine, '_sync', lambda p: (order.append(Path(p).name), sync(p)))
    monkeypatch.setattr(os, 'replace', lambda a,b: (order.append('replace'), name(a, b)))
    save_checkpoint(tmp_path, 1, TENSORS, {})
    assert order==['state.safetensors','state.json','.part-000001','replace','checkpoints']

def cut(path): os.truncate(path, path.stat().st_size-1)
def flip(path):
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
def edit(**changes): return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | changes))

DAMAGE = dict(cut_tensors=('state.safetensors', cut), flipped_bit=('state.safetensors', flip), no_tensors=('state.safetensors', Path.unlink),
              empty_tensors=('state.safetensors', lambda p: p.write_bytes(b'')), cut_notes=('state.json', cut), no_notes=('state.json', Path.unlink),
              empty_notes=('state.json', lambda p: p.write_text('')), list_for_notes=('state.json', lambda p: p.write_text('[]')),
              null_for_notes=('state.json', lambda p: p.write_text('null')), binary_notes=('state.json', lambda p: p.write_bytes(b'\xff\xfe\x00')),
              edited_step=('state.json', edit(step=2)), edited_settings=('state.json', edit(train={})), edited_seal=('state.json', edit(sha256='0'*64)),
              no_seal=('state.json', lambda p: p.write_text('{"step": 12}')))

@pytest.mark.parametrize('what', DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(copy, capsys, what):
    name, damage = DAMAGE[what]
    damage(newest(copy)/name)
    tensors, notes = load_checkpoint(copy)
    assert notes['step']==8 and 'step-000012: damaged' in capsys.readouterr().err
    save_checkpoint(copy, 12, tensors, notes)
    assert load_checkpoint(copy)[1]['step']==12

@pytest.mark.parametrize('what', ['cut_tensors','no_notes'])
def test_a_run_recovers_from_a_damaged_checkpoint_to_the_bit(copy, whole, what):
    name, damage = DAMAGE[what]
    damage(newest(copy)/name)
    train(copy)
    assert same(state(copy), state(whole)) and read_log(copy)==read_log(whole)

def test_when_all_are_damaged_it_says_so_once(copy, capsys):
    for path in (copy/'checkpoints').glob('*/state.safetensors'): cut(path)
    with pytest.raises(InputError, match=f'{copy}: none of its 2 checkpoints is whole; delete') as found: load_checkpoint(copy)
    assert '\n' not in str(found.value) and not capsys.readouterr().err
    before = files(copy)
    with pytest.raises(InputError): train(copy)
    assert files(copy)==before

class Bomb:
    def __init__(self, path): self.path = path
    def __reduce__(self): return (Path.touch, (self.path,))

@pytest.mark.parametrize('kind', [pickle.dump, torch.save])
def test_a_pickle_in_disguise_is_refused_and_does_not_run(copy, tmp_path, kind):
    for folder in (copy/'checkpoints').glob('step-*'):
        with open(folder/'state.safetensors', 'wb') as f: kind(Bomb(tmp_path/'boom'), f)
        notes = json.loads((folder/'state.json').read_text())
        notes.pop('sha256')
        (folder/'state.json').write_text(json.dumps(notes | dict(sha256=engine._seal(folder/'state.safetensors', notes)))) # even with the right seal
    with pytest.raises(InputError, match='none of its 2'): load_checkpoint(copy)
    assert not (tmp_path/'boom').exists()

def test_other_things_in_the_folder_are_let_be(copy):
    (copy/'checkpoints'/'step-old').mkdir()
    (copy/'checkpoints'/'notes.txt').write_text('mine')
    save_checkpoint(copy, 16, TENSORS, {})
    assert load_checkpoint(copy)[1]['step']==16 and (copy/'checkpoints'/'step-old').exists() and (copy/'checkpoints'/'notes.txt').exists()

# ---- runs

def test_a_run_holds_all_that_it_needs_to_go_on(whole):
    names = set(state(whole))
    for wanted in ('system.generator.0.weight','system.critic.bias','system.memory','average.0.weight','optimiser.generator.0.exp_avg',
                   'optimiser.critic.0.exp_avg_sq','optimiser.generator.0.step','rng'): assert wanted in names
    notes = json.loads((newest(whole)/'state.json').read_text())
    assert notes['train']==asdict(settings()) and notes['system']==asdict(ToyConfig()) and notes['kind']=='Toy' and notes['clip']==fingerprint(toy_clip())

def test_training_makes_the_loss_fall(tmp_path):
    train(tmp_path, steps=150, save_every=150, lr=.01, critic_lr=0.)
    losses = [row['loss'] for row in read_log(tmp_path)]
    assert sum(losses[-10:])<.9*sum(losses[:10])

def interrupted(folder, stops, **changes): # a run whose power goes in the middle of these steps, counted from each start
    for stop in stops:
        system = toy()
        judge, count = system.critic_loss, iter(range(10**6))
        def critic_loss(b, made): # the generator has just learnt, the critic not yet
            if next(count)==stop: raise KeyboardInterrupt
            return judge(b, made)
        system.critic_loss = critic_loss
        with pytest.raises(KeyboardInterrupt): train(folder, system, **changes)

@pytest.mark.parametrize('stops', [(0,), (3,), (4,), (5,5), (2,6,1,1)])
def test_an_interrupted_run_ends_as_if_nothing_had_happened(tmp_path, whole, stops):
    interrupted(tmp_path, stops)
    train(tmp_path)
    assert same(state(tmp_path), state(whole)) and read_log(tmp_path)==read_log(whole)

def test_the_log_has_one_line_for_each_step(tmp_path):
    interrupted(tmp_path, (6,2,7))
    train(tmp_path)
    rows = read_log(tmp_path)
    assert [row['step'] for row in rows]==list(range(1,13)) and all(set(row)=={'step','loss','critic'} for row in rows)

def test_the_log_holds_what_the_losses_were(tmp_path):
    system, seen = toy(), []
    loss = system.generator_loss
    system.generator_loss = lambda b: (made := loss(b), seen.append(made[0].item()))[0]
    train(tmp_path, system)
    assert [row['loss'] for row in read_log(tmp_path)]==pytest.approx(seen, abs=6e-6)

def test_the_log_is_on_the_disk_before_the_checkpoint_that_it_leads_to(tmp_path, monkeypatch):
    synced, save, sync = [], engine.save_checkpoint, os.fsync
    def saved(folder, step, *args, **kw):
        assert len(read_log(folder))==step and (folder/'log.jsonl').stat().st_ino in synced
        synced.clear()
        return save(folder, step, *args, **kw)
    monkeypatch.setattr(engine, 'save_checkpoint', saved)
    monkeypatch.setattr(os, 'fsync', lambda handle: (synced.append(os.fstat(handle).st_ino), sync(handle)))
    train(tmp_path)
    assert load_checkpoint(tmp_path)[1]['step']==12

def test_half_a_line_in_the_log_is_cut_off(tmp_path, whole):
    interrupted(tmp_path, (6,))
    with open(tmp_path/'log.jsonl', 'a') as log: log.write('{"step": 7, "lo')
    assert len(read_log(tmp_path))==6
    train(tmp_path)
    assert read_log(tmp_path)==read_log(whole)

def test_a_crash_while_the_log_is_cut_loses_no_line(tmp_path, whole, monkeypatch):
    interrupted(tmp_path, (6,))
    with monkeypatch.context() as m:
        m.setattr(Path, 'write_text', half_a_text)
        m.setattr(engine, 'save_checkpoint', crash)
        with pytest.raises(Crash): train(tmp_path)
    train(tmp_path)
    assert read_log(tmp_path)==read_log(whole)

def test_where_the_global_dice_stand_does_not_matter(tmp_path, whole):
    system = toy()
    torch.manual_seed(999)
    train(tmp_path, system)
    assert same(state(tmp_path), state(whole))

def test_the_global_dice_are_left_alone(tmp_path):
    system = toy()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(tmp_path, system)
    assert torch.equal(torch.get_rng_state(), before)

def test_another_seed_is_another_run(tmp_path, whole):
    train(tmp_path, seed=1)
    assert not same(state(tmp_path), state(whole))

def test_a_finished_run_is_only_loaded(copy, whole):
    before, system = files(copy), toy()
    average = fit(system, toy_clip(), copy, settings(), progress=False)
    assert system.drawn==0 and files(copy)==before
    assert all(torch.equal(v, state(whole)[f'average.{k}']) for k,v in average.state_dict().items())

def test_the_average_follows_and_cannot_be_trained(tmp_path):
    system = toy()
    start = {k: v.clone() for k,v in system.generator.state_dict().items()}
    average = fit(system, toy_clip(), tmp_path, settings(average=.9, steps=8, lr=.01), progress=False)
    for k,v in average.state_dict().items():
        now = system.generator.state_dict()[k]
        assert 0<(v-now).norm()<(start[k]-now).norm()
    assert not average.training and not any(p.requires_grad for p in average.parameters())

@pytest.mark.parametrize('share', [.5,.99])
def test_the_average_is_the_documented_one(tmp_path, share):
    "It keeps its share of itself, and less in the first steps"
    system, seen = toy(), []
    start, push = system.generator[0].weight.detach().clone(), system.advance
    system.advance = lambda b, made: seen.append(system.generator[0].weight.detach().clone()) or push(b, made)
    average = fit(system, toy_clip(), tmp_path, settings(average=share, lr=.01), progress=False)
    wanted = start
    for step,now in enumerate(seen):
        keep = min(share, (step+1)/(step+10))
        wanted = keep*wanted + (1-keep)*now
    assert torch.allclose(average[0].weight, wanted, atol=1e-6) and not torch.allclose(average[0].weight, now, atol=1e-4)

def test_an_average_of_zero_is_the_generator_itself(tmp_path):
    system = toy()
    average = fit(system, toy_clip(), tmp_path, settings(average=0.), progress=False)
    assert all(torch.equal(v, system.generator.state_dict()[k]) for k,v in average.state_dict().items())

def test_players_do_not_learn_from_each_other(tmp_path):
    "The critic's step uses the gradient of its own loss alone"
    run = Run(toy(), settings(lr=0., critic_lr=0.))
    run.system.begin(toy_clip())
    kept, draw, judge = {}, run.system.draw, run.system.critic_loss
    run.system.draw = lambda rng: kept.setdefault('b', draw(rng))
    run.system.critic_loss = lambda b, made: kept.update(made=made) or judge(b, made)
    run.advance(torch.autocast('cpu', enabled=False))
    wanted = torch.autograd.grad(judge(kept['b'], kept['made'])[0], run.system.players()['critic'])
    assert all(torch.allclose(p.grad, g) for p,g in zip(run.system.players()['critic'], wanted))

def test_a_system_without_a_critic_trains_too(tmp_path):
    system = toy()
    system.players, system.critic_loss = lambda: dict(generator=list(system.generator.parameters())), crash
    train(tmp_path, system)
    assert len(read_log(tmp_path))==12

@pytest.mark.parametrize('field,value', [('steps',13), ('lr',.5), ('critic_lr',.5), ('warmup',3), ('decay',.1), ('average',.5), ('seed',3), ('save_every',3),
                                         ('precision','bf16')])
def test_other_settings_in_the_same_folder_are_refused(copy, field, value):
    before = files(copy)
    with pytest.raises(InputError, match=f'{copy}: .*{field}=.*asked for {value!r}; choose another'): train(copy, **{field: value})
    assert files(copy)==before

def test_another_system_in_the_same_folder_is_refused(copy):
    with pytest.raises(InputError, match='width=4, asked for 8'): train(copy, toy(8))

@pytest.mark.parametrize('change', [lambda c: replace(c, frames=c.frames*.99), lambda c: replace(c, labels=c.labels*.9), lambda c: c[:5],
                                    lambda c: replace(c, labels=None)], ids=['frames','labels','length','none'])
def test_another_clip_in_the_same_folder_is_refused(copy, change):
    before = files(copy)
    with pytest.raises(InputError, match=f"{copy}: holds a run with clip .*asked for"): train(copy, clip=change(toy_clip()))
    assert files(copy)==before

def test_fingerprint_follows_the_content_and_not_the_name():
    clip = toy_clip()
    assert fingerprint(clip)==fingerprint(replace(clip, name='other', fps=3.)) and len(fingerprint(clip))==16
    assert fingerprint(replace(clip, frames=clip.frames.flip(-1).flip(-1)))==fingerprint(clip)!=fingerprint(replace(clip, frames=clip.frames.flip(-1)))

# ---- losses that are no numbers

@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('who', ['generator','critic'])
def test_a_lost_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, who, value):
    system = toy()
    loss = getattr(system, f'{who}_loss')
    def broken(*args):
        found = list(loss(*args))
        if system.drawn==7: found[0] = found[0]*value
        return found
    setattr(system, f'{who}_loss', broken)
    with pytest.raises(TrainingStopped, match=f'^{tmp_path}: the loss of the {who} is .* at step 7') as found: train(tmp_path, system)
    assert '\n' not in str(found.value) and load_checkpoint(tmp_path)[1]['step']==4
    train(tmp_path) # without the fault it goes on
    assert load_checkpoint(tmp_path)[1]['step']==12

def test_a_weight_that_is_no_number_is_never_saved(tmp_path):
    "The slope of a root at zero is infinite while the loss is a number"
    system = toy()
    loss = system.generator_loss
    def rooted(b):
        found, terms, made = loss(b)
        return found + (made.sum()*0).sqrt() if system.drawn==8 else found, terms, made
    system.generator_loss = rooted
    with pytest.raises(TrainingStopped, match='no longer a number at step 8'): train(tmp_path, system)
    assert load_checkpoint(tmp_path)[1]['step']==4 and all(v.isfinite().all() for v in state(tmp_path).values())

def test_a_memory_that_is_no_number_is_never_saved(tmp_path):
    "Nothing in the step itself tells: it's the next one that would read it"
    system = toy()
    push = system.advance
    def spoiled(b, made):
        push(b, made)
        if system.drawn==8: system.memory = system.memory/0
    system.advance = spoiled
    with pytest.raises(TrainingStopped, match='system.memory is no longer a number at step 8'): train(tmp_path, system)
    assert load_checkpoint(tmp_path)[1]['step']==4 and all(v.isfinite().all() for v in state(tmp_path).values())

def test_bf16_computes_in_bf16_and_keeps_weights_in_fp32(tmp_path):
    system, kinds = toy(), []
    system.generator[0].register_forward_hook(lambda m,i,o: kinds.append(o.dtype))
    train(tmp_path, system, precision='bf16')
    assert set(kinds)=={torch.bfloat16} and all(v.dtype!=torch.bfloat16 for v in state(tmp_path).values())
    assert all(abs(row[k])<100 for row in read_log(tmp_path) for k in ('loss','critic'))

# ---- the real system

def small(**changes):
    from v2v_tutorial.vid2vid.system import SequentialSystem, Vid2VidConfig
    torch.manual_seed(0)
    return SequentialSystem(Vid2VidConfig(**{**dict(frame_height=32, frame_width=32, width=16, critic_width=4, perceptual=0., alone_first=3, horizon=4), **changes}))

@pytest.fixture(scope='module')
def world(): return extract_labels(World(seed=0, size=(32,32)).clip(12))

def test_the_sequential_system_trains_in_bf16(tmp_path, world):
    fit(small(perceptual=1.), world, tmp_path, settings(steps=3, precision='bf16'), progress=False)
    rows = read_log(tmp_path)
    assert len(rows)==3 and all(0<=row[k]<100 for row in rows for k in ('pixels','flow','perceptual','critics'))

def test_a_run_is_opened_with_its_averaged_generator(tmp_path, world):
    average = fit(small(), world, tmp_path, settings(steps=4), progress=False)
    system, notes = load_run(tmp_path)
    assert notes['step']==4 and not system.training
    assert all(torch.equal(v, system.generator.state_dict()[k]) for k,v in average.state_dict().items())
    assert torch.equal(system.plate, world.frames.median(0, keepdim=True).values)

def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(InputError, match=f'{tmp_path}: no checkpoint in it; train first'): load_run(tmp_path)

def test_a_run_of_an_unknown_kind_is_named(copy):
    with pytest.raises(InputError, match="made by 'Toy'; this version knows"): load_run(copy)

@pytest.mark.parametrize('part', [lambda s: s | dict(gone=1), lambda s: s | dict(width=32)], ids=['field','shape'])
def test_a_run_of_another_version_is_named(tmp_path, world, part):
    fit(small(), world, tmp_path, settings(steps=1), progress=False)
    tensors, notes = load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, 2, tensors, notes | dict(system=part(notes['system'])))
    with pytest.raises(InputError, match=f'{tmp_path}: made by another version.*train it again') as found: load_run(tmp_path)
    assert '\n' not in str(found.value)
