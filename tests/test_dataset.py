"A clip for every seed: always the same, in any process, without a byte that stays; and a timer that knows who waits"
import multiprocessing
import os
from functools import partial
import psutil, pytest, torch
from v2v_tutorial.clips import dataset
from v2v_tutorial.clips.clip import Clip, InputError
from v2v_tutorial.clips.dataset import WaitTimer, WorldDataset, batches
from v2v_tutorial.clips.labels import extract_labels
from v2v_tutorial.clips.layers import Scene, seeds
from v2v_tutorial.clips.world import World

tiny = partial(World, size=(32,40))
FIELDS = 'frames', 'labels', 'flow', 'visible', 'ids', 'classes', 'things', 'parts', 'depth', 'uv'

def same(a, b): return a.keys()==b.keys() and all(torch.equal(a[k], b[k]) for k in a)

# ---- items

def test_an_item_is_the_clip_of_its_seed():
    data, clip = WorldDataset(tiny, [3,8,5], frames=3, fields=FIELDS), extract_labels(World(8, (32,40)).clip(3, uv=True))
    item = data[1]
    assert set(item)=={*FIELDS, 'seed'} and item['seed']==8 and len(data)==3
    assert all(torch.equal(item[k], getattr(clip, k)) for k in FIELDS)

def test_only_what_was_asked_for():
    assert set(WorldDataset(tiny, [0], frames=2, fields=['depth'])[0])=={'depth','seed'}
    assert set(WorldDataset(tiny, [0], frames=2)[0])=={'frames','labels','flow','visible','seed'}

def test_every_seed_is_another_clip_and_the_same_one_each_time():
    data = WorldDataset(tiny, range(4), frames=2, span=100)
    items = [data[i] for i in range(4)]
    assert all(same(item, data[i]) for i, item in enumerate(items))
    assert all((a['frames']-b['frames']).abs().mean()>.05 for i, a in enumerate(items) for b in items[:i])

def test_clips_start_at_moments_of_their_own():
    data, fixed = WorldDataset(tiny, range(6), frames=1, span=100), WorldDataset(tiny, range(6), frames=1)
    assert torch.equal(fixed[2]['frames'], World(2, (32,40)).clip(1).frames)
    class Clock(Scene): # notes when it's filmed
        def clip(self, frames, start, uv): starts.append(start); return Clip(torch.zeros(1,3,4,4))
    starts = []
    again = WorldDataset(lambda seed: Clock([], (4,4)), [*range(40), 0], fields=['frames'], span=100)
    for i in range(41): again[i]
    assert starts[0]==starts[40] and len(set(starts))==40 and 0<=min(starts)<10 and 90<max(starts)<=100
    assert torch.equal(data[0]['frames'], World(0, (32,40)).clip(1, start=starts[0]).frames)

def test_going_through_it_ends(): assert [int(item['seed']) for item in WorldDataset(tiny, [4,9], frames=1, fields=['ids'])]==[4,9]

@pytest.mark.parametrize('fields', [['frame'], ['frames','fps'], ['name']])
def test_an_unknown_field_is_named(fields):
    with pytest.raises(InputError, match=f"WorldDataset: fields=.*{fields[-1]}.*no tensors of a clip"): WorldDataset(tiny, [0], fields=fields)

def test_a_field_that_its_world_does_not_know_is_named():
    with pytest.raises(InputError, match='world-7: no points in this kind of world'): WorldDataset(tiny, [7], frames=1, fields=['frames','points'])[0]

# ---- batches

def test_a_batch_has_a_first_axis_more():
    batch = next(iter(batches(WorldDataset(tiny, range(5), frames=2, fields=FIELDS), 3)))
    assert batch['frames'].shape==(3,2,3,32,40) and batch['uv'].shape==(3,2,2,32,40) and batch['ids'].shape==(3,2,1,32,40)
    assert batch['seed'].tolist()==[0,1,2] and batch['frames'].dtype==torch.float32 and batch['ids'].dtype==torch.int64

@pytest.mark.timeout(120)
def test_two_workers_paint_what_one_process_paints():
    data = WorldDataset(tiny, seeds('validation', 5), frames=2, span=50)
    here, there = (list(batches(data, 2, workers)) for workers in (0, 2))
    assert len(here)==len(there)==3 and all(map(same, here, there))

@pytest.mark.timeout(120)
def test_workers_have_one_thread():
    class Threads(torch.utils.data.Dataset):
        def __len__(self): return 2
        def __getitem__(self, i): return torch.tensor([torch.get_num_threads(), dataset.cv2.getNumThreads()])
    assert (next(iter(batches(Threads(), 2, 1)))<=1).all()

def test_the_rest_is_for_the_loader():
    data = WorldDataset(tiny, range(12), frames=1, fields=['ids'])
    order = [b['seed'].tolist() for b in batches(data, 4, shuffle=True, generator=torch.Generator().manual_seed(0), drop_last=True)]
    assert sorted(sum(order, []))==list(range(12)) and sum(order, [])!=list(range(12))

# ---- memory

def grown(data, first=20, then=200): # MB by which this process grew from the first clips to the last
    used, process = [], psutil.Process(os.getpid())
    for i in range(then):
        data[i]
        if i+1 in (first, then): used.append(process.memory_info().rss/2**20)
    return used[1]-used[0]

def grown_apart(*args): # in a process of its own: one that freed much before doesn't grow when it hoards
    with multiprocessing.get_context('spawn').Pool(1) as pool: return pool.apply(grown, args)

class Hoard(WorldDataset):
    "What the test has to notice: a dataset that keeps its clips"
    kept = {}
    def clip(self, i): return self.kept.setdefault(i, super().clip(i))

def test_memory_is_flat_however_many_clips_are_drawn():
    size = partial(World, size=(48,48))
    assert grown_apart(WorldDataset(size, range(200), frames=4))<15

def test_a_hoard_would_be_noticed():
    assert grown_apart(Hoard(partial(World, size=(48,48)), range(120), frames=4), 20, 120)>30

# ---- who waits

class Time:
    "A clock that goes only when somebody works"
    now = 0.
    def perf_counter(self): return self.now

@pytest.fixture
def clock(monkeypatch):
    clock = Time()
    monkeypatch.setattr(dataset, 'time', clock)
    return clock

def paint(clock, seconds): # a loader that takes so long for each batch
    for n, s in enumerate(seconds):
        clock.now += s
        yield n

@pytest.mark.parametrize('loading,working,share', [(1,3,.25), (3,1,.75), (0,1,0.), (1,0,1.)])
def test_share_of_slow_and_fast_steps(clock, loading, working, share):
    timer = WaitTimer(paint(clock, [50]+[loading]*4))  # the first takes long: workers start
    for n, _ in enumerate(timer): clock.now += working
    assert n==4 and timer.share==pytest.approx(share) and timer.waited==[50]+[loading]*4 and timer.worked==[working]*5

def test_warm_up_can_be_longer_or_none(clock):
    for warm_up, share in ((0, .5), (2, 0.)):
        timer = WaitTimer(paint(clock, [2,2,0,0]), warm_up)
        for _ in timer: clock.now += 1
        assert timer.share==pytest.approx(share)

def test_each_round_is_measured_anew(clock):
    timer = WaitTimer([1,2,3])
    for pause in (1, 2):
        for _ in timer: clock.now += pause
    assert timer.worked==[2,2,2] and len(timer)==3

def test_without_steps_there_is_no_share():
    timer = WaitTimer([1])
    for _ in timer: pass
    with pytest.raises(InputError, match='WaitTimer: 1 steps, of which the first 1 do not count'): timer.share

@pytest.mark.timeout(120)
def test_a_real_loader_and_a_real_clock():
    "Painting costs time: a step that does nothing waits for nearly all of it"
    timer = WaitTimer(batches(WorldDataset(tiny, range(6), frames=2), 2))
    for batch in timer: assert batch['frames'].shape[0]==2
    assert timer.share>.9
