"From a video to a film: stages that are whole or not there, held-out frames that nobody has seen, and results that are never lost"
import json, os, shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
import cv2, numpy as np, pytest, torch
from torch.testing import assert_close
from conftest import files
from v2v_tutorial import pipeline
from v2v_tutorial.clips.clip import InputError, read_video, to_uint8, write_film
from v2v_tutorial.clips.labels import extract_labels
from v2v_tutorial.clips.world import World
from v2v_tutorial.engine import TrainConfig, load_checkpoint, read_log
from v2v_tutorial.metrics import evaluate
from v2v_tutorial.pipeline import (compare, demo, held_out_steps, load_clip, measure, open_run, prepare, read_source, row_lines, save_clip,
                                   staged, synthesize, train_clip)
from v2v_tutorial.vid2vid.generator import Step
from v2v_tutorial.vid2vid.system import SequentialSystem

MEASURES = {'psnr','ssim','perceptual','warp_error','gradient_energy','motion_epe'}
ROWS = ['model','no_flow','freeze_last','real']
SMALL = dict(width=16, critic_width=4, perceptual=0.)

def brief(**changes): return TrainConfig(**{**dict(steps=3, save_every=2, device='cpu'), **changes})
def quiet(*args): return None
def strict(text): return json.loads(text, parse_constant=lambda word: pytest.fail(f'{word} is not JSON'))
def rows(folder): return strict((folder/'metrics.json').read_text())['rows']

@pytest.fixture(scope='module')
def video(tmp_path_factory): # 24 frames of 32x32
    return write_film(tmp_path_factory.mktemp('videos')/'small.mp4', World(seed=0, size=(32,32)).clip(24).frames, 20., quality=10)

@pytest.fixture(scope='module')
def other(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp('videos')/'other.mp4', World(seed=1, size=(32,32)).clip(24).frames, 20.)

@pytest.fixture(scope='module')
def finished(tmp_path_factory, video): # a whole demo
    out = tmp_path_factory.mktemp('demo')/'out'
    demo(video, out, train=brief(), say=quiet, progress=False)
    return out

@pytest.fixture
def copy(finished, tmp_path): return Path(shutil.copytree(finished, tmp_path/'out'))

@pytest.fixture(scope='module')
def source(video): return read_source(video)

@pytest.fixture(scope='module')
def run(tmp_path_factory, source): # a trained run
    return train_clip(*source, tmp_path_factory.mktemp('run')/'run', brief(), progress=False, **SMALL)

# ---- whole or not at all

def test_files_arrive_together(tmp_path):
    out = tmp_path/'a'/'b'
    with staged(out) as part:
        (part/'one').write_text('1')
        (part/'two').write_text('2')
        assert not out.exists() and not part.is_relative_to(out)
    assert files(out)=={'one': b'1', 'two': b'2'} and [p.name for p in out.parent.iterdir()]==['b']

@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        with staged(tmp_path/'a'/'b') as part:
            (part/'one').write_text('1')
            raise error
    assert not list(tmp_path.iterdir())

def test_a_failure_keeps_what_was_there(tmp_path):
    (tmp_path/'out'/'sub').mkdir(parents=True)
    (tmp_path/'out'/'one').write_text('old')
    with pytest.raises(ValueError):
        with staged(tmp_path/'out') as part:
            (part/'one').write_text('new')
            raise ValueError
    assert files(tmp_path)=={'out/one': b'old'} and (tmp_path/'out'/'sub').is_dir()

def test_an_empty_folder_that_was_there_stays(tmp_path):
    with pytest.raises(ValueError):
        with staged(tmp_path) as part: raise ValueError
    assert tmp_path.is_dir()

def test_new_files_replace_old_ones_and_leave_the_rest(tmp_path):
    for name in ('one','other'): (tmp_path/name).write_text('old')
    with staged(tmp_path) as part: (part/'one').write_text('new')
    assert files(tmp_path)=={'one': b'new', 'other': b'old'}

def test_what_an_earlier_crash_left_is_not_taken_along(tmp_path):
    (tmp_path/'.out.part').mkdir()
    (tmp_path/'.out.part'/'junk').write_text('half')
    with staged(tmp_path/'out') as part: (part/'one').write_text('1')
    assert files(tmp_path)=={'out/one': b'1'}

class Crash(BaseException): "The power goes"

@pytest.mark.parametrize('last', [1,2,3,4])
def test_pixels_of_one_clip_never_meet_notes_of_another(tmp_path, video, other, monkeypatch, last):
    "The process dies before one of the renamings that replace three files; whoever comes next finds the old clip or the new one"
    films, out, count, move = dict(small=video, other=other), tmp_path/'clip', iter(range(1, 99)), os.replace
    for name,film in films.items(): prepare(tmp_path/name, video=film)
    prepare(out, video=video)
    def dies(a, b):
        if next(count)==last: raise Crash
        move(a, b)
    with monkeypatch.context() as m:
        m.setattr(os, 'replace', dies)
        with pytest.raises(Crash): prepare(out, video=other)
    found = load_clip(out)[0].name
    assert found==('small' if last==1 else 'other') and files(out)==files(tmp_path/found)
    prepare(out, video=video)
    assert files(out)==files(tmp_path/'small') and not list(tmp_path.rglob('.*'))

def test_a_file_in_the_place_of_the_folder_is_named_and_kept(tmp_path):
    (tmp_path/'out').write_text('mine')
    with pytest.raises(InputError, match=f'{tmp_path}/out: this is a file'):
        with staged(tmp_path/'out'): pass
    assert files(tmp_path)=={'out': b'mine'}

def test_here_is_a_folder_too(tmp_path, monkeypatch):
    (tmp_path/'here').mkdir()
    monkeypatch.chdir(tmp_path/'here')
    with staged('.') as part: (part/'one').write_text('1')
    assert files(tmp_path)=={'here/one': b'1'}

# ---- clips

def test_a_clip_comes_back_to_the_byte(tmp_path, video, source):
    prepare(tmp_path/'clip', video=video)
    clip, notes = load_clip(tmp_path/'clip')
    assert np.array_equal(to_uint8(clip.frames), to_uint8(read_video(video).frames)) and torch.equal(clip.frames, source[0].frames)
    assert torch.equal(clip.labels, extract_labels(read_video(video)).labels) and clip.labels.dtype==torch.float32
    assert (clip.fps,clip.name,len(clip))==(20.,'small',24) and notes['source']=='small.mp4' and notes['labels']=='edges'

def test_truth_of_a_world_comes_back(tmp_path):
    clip = extract_labels(World(seed=0, size=(32,48)).clip(4))
    save_clip(clip, tmp_path, dict(source='world'))
    back, _ = load_clip(tmp_path)
    for f in fields(clip):
        a, b = getattr(clip, f.name), getattr(back, f.name)
        assert torch.equal(a, b) and a.dtype==b.dtype if isinstance(a, torch.Tensor) else a==b

def test_a_preview_shows_frames_above_labels(tmp_path, video):
    sheet, (clip, _) = cv2.imread(str(prepare(tmp_path/'clip', video=video)/'preview.png'))[...,::-1], load_clip(tmp_path/'clip')
    assert sheet.shape==(2*34-2, 6*34-2, 3)
    for k,x in ((0,0), (-1,5*34)):
        assert np.array_equal(sheet[:32,x:x+32], to_uint8(clip.frames)[k]) and np.array_equal(sheet[34:,x:x+32], to_uint8(clip.labels.expand(-1,3,-1,-1)*2 - 1)[k])

def test_prepared_and_direct_clips_train_alike(tmp_path, source):
    save_clip(source[0], tmp_path, source[1])
    back, _ = load_clip(tmp_path)
    assert torch.equal(back.frames, source[0].frames) and torch.equal(back.labels, source[0].labels)

@pytest.mark.parametrize('changes,says', [(dict(frames=15), 'frames=15: give at least 16'), (dict(max_side=31), 'max_side=31'), (dict(kind='poses'), "labels='poses'")])
def test_a_source_out_of_range_is_named(video, changes, says):
    with pytest.raises(InputError, match=says): read_source(video, **changes)

@pytest.mark.parametrize('frames,size,says', [(1,(32,32),'only 1 frames'), (15,(32,32),'only 15 frames'), (16,(30,64),'64x30 pixels')])
def test_a_video_that_is_too_small_is_named(tmp_path, frames, size, says):
    video = write_film(tmp_path/'tiny.mp4', torch.zeros(frames,3,*size))
    with pytest.raises(InputError, match=f'{video}: .*{says}'): prepare(tmp_path/'clip', video=video)
    assert not (tmp_path/'clip').exists()

def test_a_source_is_cut_and_shrunk_as_asked(real_clips):
    clip, notes = read_source(real_clips/'carphone_pristine.mp4', frames=16, max_side=64)
    assert len(clip)==16 and max(clip.size)==64 and notes['frames']==16 and notes['max_side']==64

def test_without_a_video_there_is_the_world():
    clip, notes = read_source()
    assert (len(clip),clip.size)==(96,(128,128)) and clip.flow is not None and notes['source']=='world'

DAMAGE = dict(no_notes=lambda p: (p/'clip.json').unlink(), no_tensors=lambda p: (p/'clip.safetensors').unlink(),
              half_notes=lambda p: (p/'clip.json').write_text('{"fps":'), other_notes=lambda p: (p/'clip.json').write_text('{}'), list_notes=lambda p: (p/'clip.json').write_text('[1]'),
              half_tensors=lambda p: os.truncate(p/'clip.safetensors', 999), pickle=lambda p: torch.save(dict(frames=1), p/'clip.safetensors'),
              other_tensors=lambda p: pipeline.save_file(dict(frames=torch.zeros(2), labels=torch.zeros(2)), p/'clip.safetensors'),
              odd_tensors=lambda p: pipeline.save_file(dict(frames=torch.zeros(4,8,8,3), labels=torch.zeros(3,1,8,8)), p/'clip.safetensors'))

@pytest.mark.parametrize('what', DAMAGE)
def test_a_damaged_clip_is_named(tmp_path, source, what):
    save_clip(*source[:1], tmp_path, source[1])
    DAMAGE[what](tmp_path)
    with pytest.raises(InputError, match=f'{tmp_path}: no whole prepared clip.*v2v prepare') as found: load_clip(tmp_path)
    assert '\n' not in str(found.value)

# ---- held-out frames

def test_the_last_quarter_is_held_out(run):
    about, _ = measure(run)
    assert (about['frames'],about['training_frames'],about['held_out_frames'])==(24,18,6)
    system, _, clip, _ = open_run(run)
    assert len(list(held_out_steps(system, clip)))==6

def late(clip, change): # change the held-out part only
    frames, labels = clip.frames.clone(), clip.labels.clone()
    change(frames, labels)
    return replace(clip, frames=frames, labels=labels)

def upset(frames, labels):
    frames[18:] *= -1
    labels[18:] = 1-labels[18:]

def test_training_never_looks_at_held_out_frames_or_labels(tmp_path, source, run):
    train_clip(late(source[0], upset), source[1], tmp_path/'run', brief(), progress=False, **SMALL)
    a, b = load_checkpoint(run)[0], load_checkpoint(tmp_path/'run')[0]
    assert a.keys()==b.keys() and all(torch.equal(v, b[k]) for k,v in a.items())

def film(run, change=None):
    system, _, clip, _ = open_run(run)
    return torch.cat([s.fake for s in held_out_steps(system, late(clip, change) if change else clip)])

def brighten(part): # add light to some frames
    def change(frames, labels): frames[part] = frames[part]*.5 + .5
    return change

def test_the_film_is_made_from_labels_and_the_last_training_frames(run):
    made = film(run)
    assert torch.equal(made, film(run, brighten(slice(18,24)))) and torch.equal(made, film(run, brighten(slice(0,16))))
    assert not torch.equal(made, film(run, brighten(slice(17,18))))

def test_each_frame_follows_the_labels_of_its_moment_and_the_one_before(run):
    made = film(run)
    for t,first in ((20,2), (17,0), (23,5)): # frame 18 is the first that is made
        def change(frames, labels): labels[t] = 1-labels[t]
        same = [torch.equal(a, b) for a,b in zip(made, film(run, change))]
        assert same==[True]*first + [False]*(6-first)

# ---- training

def test_a_run_keeps_its_clip(run, source):
    _, notes, clip, about = open_run(run)
    assert torch.equal(clip.frames, source[0].frames) and about['source']=='small.mp4' and notes['step']==3

def test_the_painter_stands_alone_for_the_first_part_of_a_run(run): # whatever its length
    notes = open_run(run)[1]
    assert 0<notes['system']['alone_first']<notes['train']['steps']

def test_a_run_does_not_depend_on_what_ran_before(tmp_path, source, run):
    torch.manual_seed(777)
    train_clip(*source, tmp_path/'run', brief(), progress=False, **SMALL)
    assert all(torch.equal(v, load_checkpoint(run)[0][k]) for k,v in load_checkpoint(tmp_path/'run')[0].items())

def test_a_refused_run_leaves_no_folder(tmp_path, source):
    with pytest.raises(InputError): train_clip(*source, tmp_path/'run', brief(), progress=False, width=24)
    assert not (tmp_path/'run').exists()

def test_a_refused_change_leaves_the_run_as_it_was(tmp_path, source, run):
    shutil.copytree(run, tmp_path/'run')
    for changes in (dict(width=32), dict(flow=False)):
        with pytest.raises(InputError, match='choose another --out'): train_clip(*source, tmp_path/'run', brief(), progress=False, **{**SMALL, **changes})
    assert files(tmp_path/'run')==files(run)

# ---- film and picture

def test_the_film_shows_label_generated_and_real_side_by_side(run, tmp_path):
    path = synthesize(run, tmp_path/'film')
    shown, made, (_, _, clip, _) = read_video(path), film(run), open_run(run)
    assert shown.frames.shape==(6,3,32,96) and shown.fps==20
    parts = shown.frames.split(32, -1)
    for part,wanted in zip(parts, (clip.labels[18:]*2-1, made, clip.frames[18:])): assert float((part-wanted).abs().mean())<.15
    assert float((parts[2]-clip.frames[18:]).abs().mean())<float((parts[2]-made).abs().mean())

def test_all_three_parts_of_a_frame_are_of_one_moment(run, tmp_path, monkeypatch):
    "To the bit, before the film is encoded: neighbours look so alike that an encoded film can't tell"
    added, add, clip = [], pipeline.FilmWriter.add, open_run(run)[2]
    monkeypatch.setattr(pipeline.FilmWriter, 'add', lambda film, frame: (added.append(frame), add(film, frame)))
    synthesize(run, tmp_path/'film')
    assert torch.equal(torch.stack(added), torch.cat([(clip.labels[18:]*2 - 1).expand(-1,3,-1,-1), film(run), clip.frames[18:]], -1))

@pytest.mark.parametrize('flow,columns', [(True,7), (False,4)])
def test_the_picture_has_a_column_for_each_part(tmp_path, source, run, flow, columns):
    "label, generated, raw, warped, flow, mask, real; without flow only four of them"
    if not flow: run = train_clip(*source, tmp_path/'run', brief(steps=1), progress=False, flow=False, **SMALL)
    widths, shown = [], []
    sheet = pipeline.contact_sheet
    with pytest.MonkeyPatch.context() as m:
        m.setattr(pipeline, 'contact_sheet', lambda rows, n, titles: shown.append(rows) or widths.append((len(rows),n,titles)) or sheet(rows, n=n, titles=titles))
        synthesize(run, tmp_path/'film', moments=4)
    assert widths[0][:2]==(4,columns) and widths[0][2][0]=='label' and widths[0][2][-1]=='real'
    made, clip, at = film(run), open_run(run)[2], widths[0][2].index('generated')
    for row,t in zip(shown[0], (0,2,3,5), strict=True):
        assert torch.equal(row[0], clip.labels[18+t].expand(3,-1,-1)*2 - 1) and torch.equal(row[at], made[t]) and torch.equal(row[-1], clip.frames[18+t])
    assert cv2.imread(str(tmp_path/'film'/'flow_and_mask.png')).std()>10

def test_a_failed_film_leaves_what_was_there(run, tmp_path, monkeypatch):
    synthesize(run, tmp_path/'film')
    before = files(tmp_path)
    monkeypatch.setattr(Path, 'write_bytes', lambda *_: (_ for _ in ()).throw(OSError(28, 'No space left on device')))
    with pytest.raises(InputError, match=f'{tmp_path}/film: .*No space left'): synthesize(run, tmp_path/'film')
    assert files(tmp_path)==before

# ---- measures

def test_baselines_are_what_they_say(run, tmp_path):
    found = compare(run, tmp_path/'metrics')['rows']
    first, later = open_run(run)[2].split()
    assert list(found)==['model','freeze_last','real']
    assert found['model']==evaluate(film(run), later)
    assert found['freeze_last']==evaluate(first.frames[-1:].expand(6,-1,-1,-1), later)
    assert found['real']['psnr']==100 and found['real']['motion_epe']==found['real']['excess_warp_error']==0
    assert found['real']['ssim']==pytest.approx(1) and found['real']['perceptual']==pytest.approx(0, abs=1e-6)

def test_each_row_has_the_six_measures_and_all_are_numbers(finished):
    found = rows(finished)
    assert list(found)==ROWS
    for row in found.values():
        assert set(row)==MEASURES|{'excess_warp_error'} and all(isinstance(v, float) and np.isfinite(v) for v in row.values())
    assert found['model']!=found['no_flow']

def test_numbers_carry_their_protocol(finished):
    about = strict((finished/'metrics.json').read_text())['protocol']
    for key in ('clip','frames','height','width','fps','crop','codec','seed','steps','perceptual','warp_error_flow','motion_flow','minutes'): assert key in about
    assert (about['frames'],about['height'],about['width'],about['steps'],about['seed'])==(24,32,32,3,0) and 'DIS' in about['warp_error_flow']

def test_the_protocol_tells_height_from_width():
    about = pipeline.protocol(extract_labels(World(seed=0, size=(32,48)).clip(8)), {}, dict(train=dict(seed=0, steps=1), system={}))
    assert (about['height'],about['width'],about['frames'],about['training_frames'])==(32,48,8,6)

def test_a_measure_that_is_no_number_is_never_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, 'evaluate', lambda *_: dict(psnr=float('nan')))
    with pytest.raises(ValueError): compare(run, tmp_path/'metrics')
    assert not (tmp_path/'metrics').exists()

def test_the_table_names_rows_and_measures(finished):
    table = row_lines(rows(finished)).splitlines()
    assert len(table)==5 and all(m in table[0] for m in MEASURES) and [line.split()[0] for line in table[1:]]==ROWS

# ---- the whole way

def test_a_demo_leaves_film_picture_checkpoints_and_measures(finished):
    for name in ('film.mp4','flow_and_mask.png','metrics.json','clip/clip.safetensors'): assert (finished/name).stat().st_size>500
    for arm in ('model','no_flow'):
        assert [p.name for p in sorted((finished/arm/'checkpoints').iterdir())]==['step-000002','step-000003'] and len(read_log(finished/arm))==3
    assert read_video(finished/'film.mp4').frames.shape==(6,3,32,96)
    assert not list(finished.rglob('.*'))

def test_the_same_demo_again_trains_nothing_and_finds_the_same(copy, video, monkeypatch):
    def never(*_): pytest.fail('a step was taken')
    monkeypatch.setattr(SequentialSystem, 'draw', never)
    before, found = files(copy), rows(copy)
    monkeypatch.setattr(pipeline, 'time', SimpleNamespace(time=iter((1000., 1090.)).__next__))
    demo(video, copy, train=brief(), say=quiet, progress=False)
    assert strict((copy/'metrics.json').read_text())['protocol']['minutes']==1.5
    after = files(copy)
    assert before.keys()==after.keys() and {k for k in before if before[k]!=after[k]}<={'metrics.json'} # it notes its minutes
    assert found==rows(copy)

def test_an_interrupted_demo_goes_on_and_ends_the_same(tmp_path, video, finished, monkeypatch):
    count, draw = iter(range(100)), SequentialSystem.draw
    def interrupted(self, rng):
        if next(count)==5: raise KeyboardInterrupt # step 3 of the second arm
        return draw(self, rng)
    with monkeypatch.context() as m:
        m.setattr(SequentialSystem, 'draw', interrupted)
        with pytest.raises(KeyboardInterrupt): demo(video, tmp_path/'out', train=brief(), say=quiet, progress=False)
    assert not (tmp_path/'out'/'metrics.json').exists()
    demo(video, tmp_path/'out', train=brief(), say=quiet, progress=False)
    assert rows(tmp_path/'out')==rows(finished) and files(tmp_path/'out').keys()==files(finished).keys()

def test_another_video_moves_earlier_results_aside_and_loses_nothing(copy, other):
    before, news = files(copy), []
    demo(other, copy, train=brief(steps=1), say=news.append, progress=False)
    aside = copy.with_name('out-small')
    assert files(aside)==before and str(aside) in news[0] and load_clip(copy/'clip')[1]['source']=='other.mp4'

def test_results_are_moved_beside_earlier_ones_too(copy, monkeypatch):
    copy.with_name('out-small').mkdir()
    assert pipeline._make_room(copy, dict(source='new'))==copy.with_name('out-small-2') and not copy.exists()

@pytest.mark.parametrize('changes', [dict(labels='poses'), dict(frames=20), dict(max_side=64), dict(content='0'*16)])
def test_any_change_of_the_source_counts(copy, source, changes):
    assert pipeline._make_room(copy, source[1]) is None and copy.exists()
    assert pipeline._make_room(copy, source[1] | changes) is not None

def test_damaged_notes_are_moved_aside_with_the_rest(copy, source):
    (copy/'clip'/'clip.json').write_text('{')
    aside = pipeline._make_room(copy, source[1])
    assert (aside/'film.mp4').exists() and not copy.exists()

@pytest.mark.parametrize('train', [brief(steps=4), brief(seed=2)])
def test_other_settings_are_refused_and_nothing_changes(copy, video, train):
    before = files(copy)
    with pytest.raises(InputError, match='choose another --out'): demo(video, copy, train=train, say=quiet, progress=False)
    assert files(copy.parent)=={f'out/{k}': v for k,v in before.items()}

def test_a_device_that_is_not_there_leaves_nothing(tmp_path, copy, other, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    before = files(tmp_path)
    for out in (tmp_path/'new', copy):
        with pytest.raises(InputError, match="device='cuda'"): demo(other, out, train=brief(device='cuda'), say=quiet, progress=False)
    assert files(tmp_path)==before and not (tmp_path/'new').exists()

def test_a_real_video_goes_the_whole_way(tmp_path, real_clips):
    found = demo(real_clips/'carphone_pristine.mp4', tmp_path/'out', frames=16, max_side=48, train=brief(steps=1), say=quiet, progress=False)
    assert list(found['rows'])==ROWS and read_video(tmp_path/'out'/'film.mp4').size==tuple(np.array(load_clip(tmp_path/'out'/'clip')[0].size)*(1,3))
