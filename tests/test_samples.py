"Clips that come with the course: their seeds make them again, their cards are true, and damage is noticed"
import json
import shutil

import pytest
import torch

from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.layers import split_of
from v2v_tutorial.clips.samples import FOLDER, FRAMES, SAMPLES, film_sample, load_sample, write_sample
from v2v_tutorial.metrics import psnr
from v2v_tutorial.motion.warp import warp

WHOLE, REAL = ('ids','classes','things','parts','visible'), ('flow','depth','uv','points')
each = pytest.mark.parametrize('name', SAMPLES)

@each
def test_seeds_make_the_clip_again(name):
    "Truth exactly, or to the rounding of another machine's arithmetic; the film as far as H.264 keeps it"
    stored, made = load_sample(name), film_sample(name)
    assert len(stored)==FRAMES and stored.size==made.size and psnr(stored.frames, made.frames)>30
    for key in WHOLE:
        a, b = getattr(stored, key), getattr(made, key)
        assert (a is None and b is None) or float((a!=b).float().mean())<1e-4, key
    for key in REAL:
        a, b = getattr(stored, key), getattr(made, key)
        if a is not None or b is not None: assert float(((a-b).abs()>1e-3).float().mean())<1e-4, key

@each
def test_a_card_tells_how_the_clip_was_made(name):
    told = json.loads((FOLDER/f'{name}.json').read_text())
    stored = load_sample(name)
    assert set(told['truth'])=={k for k,v in vars(stored).items() if isinstance(v, torch.Tensor)}-{'frames'}
    assert (told['frames'],told['height'],told['width'],told['fps'],told['split'])==(len(stored),*stored.size,stored.fps,'test')
    make = SAMPLES[name]
    assert told['made'].startswith(make.func.__name__) and all(f'{k}={v!r}' in told['made'] for k,v in make.keywords.items())

def test_all_seeds_are_of_the_test_split():
    seeds = [v for make in SAMPLES.values() for k,v in make.keywords.items() if k in ('seed','who','place','scene','motion')]
    assert len(seeds)>=len(SAMPLES) and {split_of(s) for s in seeds}=={'test'}

def test_pairs_share_what_they_should():
    "A street has one layout in any weather; a dance is danced alike, by others elsewhere"
    clips = {name: load_sample(name) for name in SAMPLES}
    day, dusk = clips['street-day'], clips['street-dusk']
    assert torch.equal(day.classes, dusk.classes) and torch.equal(day.flow, dusk.flow) and psnr(day.frames, dusk.frames)<20
    one, other = (clips[f'dance-{n}'].points[...,:2] for n in ('one','other'))
    moved = lambda p: (p[8:]-p[:-8]).flatten()
    assert float(torch.corrcoef(torch.stack([moved(one), moved(other)]))[0,1])>.8 and psnr(clips['dance-one'].frames, clips['dance-other'].frames)<20

@each
def test_the_stored_flow_fetches_the_stored_film(name):
    clip = load_sample(name)
    gap = lambda flow: float(((warp(clip.frames[:-1], flow[1:])-clip.frames[1:]).abs().mean(1, keepdim=True)*clip.visible[1:]).sum()/clip.visible[1:].sum())
    assert gap(clip.flow)<.8*gap(-clip.flow) and gap(clip.flow)<.06

def test_they_are_small():
    files = [p for p in FOLDER.iterdir()]
    assert {p.stem for p in files}==set(SAMPLES) and len(files)==3*len(SAMPLES)
    assert sum(p.stat().st_size for p in files)<20e6

@pytest.fixture
def copy(tmp_path):
    for p in FOLDER.glob('face-one.*'): shutil.copy(p, tmp_path)
    return tmp_path

@pytest.mark.parametrize('kind', ['mp4','npz'])
def test_damage_is_noticed(copy, kind):
    path = copy/f'face-one.{kind}'
    data = bytearray(path.read_bytes())
    data[len(data)//2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"face-one.{kind}: missing or damaged.*write_sample\('face-one'\)"): load_sample('face-one', copy)
    path.unlink()
    with pytest.raises(InputError, match='missing or damaged'): load_sample('face-one', copy)

def test_a_card_that_cannot_be_read_is_named(copy):
    (copy/'face-one.json').write_text('{')
    with pytest.raises(InputError, match='face-one.json: cannot be read'): load_sample('face-one', copy)

def test_an_unknown_sample_is_named():
    for call in (load_sample, film_sample):
        with pytest.raises(InputError, match="sample='cat': no such clip; choose one of street-day"): call('cat')

def test_written_again_it_is_the_same(tmp_path):
    "The truth to the byte, on one machine; a card of its own"
    write_sample('face-one', tmp_path)
    a, b = load_sample('face-one', tmp_path), film_sample('face-one')
    assert torch.equal(a.flow, b.flow) and torch.equal(a.parts, b.parts) and torch.equal(a.points, b.points)
