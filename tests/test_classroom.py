"Lessons keep to one anatomy; what is built from them leaks nothing, runs, and is graded as it should be"
import ast, json, os, re, subprocess, sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
import nbformat, pytest
from v2v_tutorial import classroom
from v2v_tutorial.anatomy import Page, binds, needed, open_lesson, uses
from v2v_tutorial.classroom import build, grader_page, judge_source, lesson_paths, overview, settle, student_page, teacher_page
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.pages import code_cells, execute, page_paths, pyproject_text, read_page
from conftest import ROOT, files

NBS = ROOT/'nbs'
PATHS = {str(p.relative_to(NBS).with_suffix('')): p for p in page_paths(ROOT) if p.relative_to(NBS).parts[0][:2].isdigit()}
each_page = pytest.mark.parametrize('name', PATHS)
LESSONS = [n for n,p in PATHS.items() if 'Your turn' in p.read_text(encoding='utf-8')]
each_lesson = pytest.mark.parametrize('name', LESSONS)
ONE = '01_clips/02_labels' # the one that is really graded in ordinary tests

@lru_cache(None)
def lesson(name): return open_lesson(PATHS[name], NBS)
def marked(nb): return {c['metadata']['nbgrader']['grade_id']: c for c in nb['cells'] if 'nbgrader' in c['metadata']}

# ---- a small project

def cells(*sources): # a source that starts with a heading or > is text
    v4 = nbformat.v4
    made = [(v4.new_markdown_cell if re.match('# [A-Z]|## |>', s) else v4.new_code_cell)(s, id=f'c{i}') for i,s in enumerate(sources)]
    return v4.new_notebook(cells=made)

LESSON = dict(
    title='# Doubling\n\n> A lesson to test with', start='import torch\nfrom v2v_tutorial.course import check', helper="rows = []\nrows.append(torch.ones(3))",
    turn='## Your turn 1: double\n\n●●○○ about 8 minutes. Double it. See [the next page](02_next.ipynb), [the tools](../tools/x.ipynb) and ![a cat](../media/cat.png).',
    stub='# what to write\ndef double(x): # (n,) -> (n,)\n    raise NotImplementedError\n\ndef slowly(x): return x+x\n'
         'check(double, (rows[0],), (3*rows[0],), ref=slowly, hints={\'it is squared\': lambda x: x*x, "it isn\'t changed": lambda x: x})',
    hint='> **Hint** Twice.<br>\n> **Help: it is half** The other way.<br>\n> **Solution** in [solutions/01_a/01_lesson.ipynb](../solutions/01_a/01_lesson.ipynb)',
    open='## Your turn 2: large\n\n●●●○ about 12 minutes, open-ended. Give a number **above 10**.',
    mine="def large(): # -> a number\n    return 1\n\nsize = large()\nprint(size, 'done' if size>10 else 'not yet')",
    end='> **Hint** Count.<br>\n> **Solution** one of many in [solutions/01_a/01_lesson.ipynb](../solutions/01_a/01_lesson.ipynb)', after="data = open('../media/notes.txt').read()")
ANSWERS = dict(title='# Solutions', start='import torch, math\nfrom v2v_tutorial.course import check', one='## 1: double\n\nAdding a number to itself doubles it, see [there](../../tools/x.ipynb).',
               first='factor = math.sqrt(4)\ndef double(x): # (n,) -> (n,)\n    return factor*x\n\nassert check(double, (torch.ones(2),), ref=lambda x: x+x)',
               two='## 2: large', second='def large(): return 11\n\nfound = large()\nassert found>10')

@pytest.fixture
def project(tmp_path): # two pages, one with exercises; call it to change cells of the lesson or of its solutions
    root = tmp_path/'project'
    for d in ('01_a', 'media', 'solutions/01_a', 'tools'): (root/'nbs'/d).mkdir(parents=True)
    for n in ('settings.ini',): (root/n).write_text((ROOT/n).read_text())
    (root/'nbs'/'media'/'cat.png').write_bytes(b'cat')
    (root/'nbs'/'media'/'notes.txt').write_text('notes')
    def write(lesson=None, answers=None):
        for d,source,change in (('01_a', LESSON, lesson), ('solutions/01_a', ANSWERS, answers)):
            nb = cells(*[s for s in {**source, **(change or {})}.values() if s])
            for c in code_cells(nb): c['outputs'] = [nbformat.v4.new_output('stream', text=f'seen {c["id"]}\n')]
            nb['metadata']['v2v'] = dict(fresh='0', mode='full')
            nbformat.write(nb, root/'nbs'/d/'01_lesson.ipynb')
        nbformat.write(cells('# Next', 'x = 1'), root/'nbs'/'01_a'/'02_next.ipynb')
        nbformat.write(cells('# Tool'), root/'nbs'/'tools'/'x.ipynb')
        return root
    return write

def small(root): return open_lesson(root/'nbs'/'01_a'/'01_lesson.ipynb', root/'nbs')

# ---- the anatomy

@each_page
def test_page_keeps_to_the_anatomy(name): assert bool(lesson(name).exercises)==(name in LESSONS)

@each_lesson
def test_no_exercise_is_overlooked(name):
    text = PATHS[name].read_text(encoding='utf-8')
    found = lesson(name).exercises
    assert len(found)==len(re.findall(r'"## Your turn', text))>=3
    assert sum(e.check is None for e in found)==sum('open-ended' in lesson(name).page.nb['cells'][e.start]['source'] for e in found)>=1
    for e in found: assert 1<=e.dots<=4 and 1<=e.minutes<=90 and (e.check is None or e.name and len(e.mistakes)>=2)

@pytest.mark.parametrize('helper,call,found', [
    ('', 'large()', 'large'), ('def score(f): return f() # as it is', 'score(large)', 'large'), ('def score(f, n): return max(f() for _ in range(n))', 'max(score(large, n) for n in (1, 2))', 'large'),
    ('def score(f): return f()', 'large()', 'score'), ('def score(f): return f()', 'score(large) + large(score)', 'score')])
def test_function_of_an_open_ended_exercise_is_the_one_that_is_handed_over(project, helper, call, found):
    mine = f"{helper}\n\ndef large(): # -> a number\n    return 1\n\nsize = {call}\nprint(size, 'done' if size>10 else 'not yet')"
    second = ANSWERS['second'] if found=='large' else 'def score(f): return 2\nassert score(1)>1'
    l = small(project(lesson=dict(mine=mine.strip()), answers=dict(second=second)))
    got = marked(grader_page(l))
    assert l.exercises[1].name==found and got[f'01_a-01_lesson-{found}']['source'].startswith(f'def {found}(')
    if found=='large': assert got.get('01_a-01_lesson-large-before', dict(source=''))['source']==helper

def test_open_ended_exercise_without_a_function_is_judged_by_hand(project):
    l = small(project(lesson=dict(mine="mine = 1\nprint(mine, 'done' if mine>10 else 'not yet')"), answers=dict(second='mine = 11\nassert mine>10')))
    e, cell = l.exercises[1], marked(grader_page(l))['01_a-01_lesson-2']
    assert (e.name, e.dots)==(None, 3) and [cell['metadata']['nbgrader'][k] for k in ('solution', 'grade', 'locked', 'points')]==[True, True, False, 3]
    assert cell['source'].startswith('mine = 1\nprint') and 'mine = 11' in words(teacher_page(l)) and 'judged by hand' in words(teacher_page(l)) and not leaks(built_student(l), l)

def test_exercise_is_read_as_it_stands(project):
    one, two = small(project()).exercises
    assert (one.number, one.title, one.dots, one.minutes, one.name) == (1, 'double', 2, 8, 'double') and one.mistakes==['it is squared', "it isn't changed"]
    assert (two.number, two.dots, two.minutes, two.name, two.check, two.mistakes) == (2, 3, 12, 'large', None, [])

FAULTS = dict(
    no_dots=(dict(turn='## Your turn 1: double\n\nDouble it.'), 'about 8 minutes'), heading=(dict(turn='## Your turn: double\n\n●●○○ about 8 minutes.'), 'Your turn N'),
    three_dots=(dict(turn='## Your turn 1: double\n\n●●○ about 8 minutes.'), 'about 8 minutes'), no_hint=(dict(hint='> Twice'), 'Hint'), nothing_after=(dict(end=None, after=None), 'Hint'),
    no_link=(dict(hint='> **Hint** Twice.'), 'link to its solution'), other_link=(dict(hint='> **Hint** [a](../solutions/01_a/02_next.ipynb)'), 'link to its solution'),
    no_check=(dict(stub='def double(x): pass'), 'open-ended'), two_checks=(dict(stub=LESSON['stub']+'\ncheck(double, ref=slowly)'), '2 checks'),
    no_stub=(dict(stub=LESSON['stub'].replace('def double', 'def dubble')), 'no function double'), no_code=(dict(mine=None), 'no code'),
    stray=(dict(after='check(abs, (1,), ref=abs)'), 'outside of an exercise'), number=(dict(open=LESSON['open'].replace('turn 2', 'turn 3')), 'count them from 1'),
    syntax=(dict(after='x = = 1'), 'SyntaxError'))
ANSWER_FAULTS = dict(
    no_answer=(dict(first='pass'), 'Your turn 1: (double) has no answer'), other_name=(dict(second='def big(): return 11\nassert big()>10'), 'Your turn 2: (large) has no answer'),
    copied=(dict(second='def large(): return 1\nassert large()>0'), 'Your turn 2: (large) has no answer'), misplaced=(dict(one='## 3: double'), 'under `## 1: ...`'), elsewhere=(dict(first='pass', second=ANSWERS['first']+'\n'+ANSWERS['second']), 'Your turn 1: (double) has no answer'), no_threshold=(dict(second='def large(): return 11'), 'measures the answer'),
    measures_nothing=(dict(second='def large(): return 11\nassert 2>1'), 'measures the answer'))

@pytest.mark.parametrize('kind,fault', [('lesson', f) for f in FAULTS] + [('answers', f) for f in ANSWER_FAULTS])
def test_lesson_with_a_fault_is_named_and_nothing_is_built(project, tmp_path, kind, fault):
    change, says = (FAULTS if kind=='lesson' else ANSWER_FAULTS)[fault]
    root, out = project(**{kind: change}), tmp_path/'a'/'out'
    before = files(tmp_path)
    with pytest.raises(InputError) as error: build(out, root=root, progress=False)
    assert says in str(error.value) and '01_a/01_lesson.ipynb' in str(error.value) and files(tmp_path)==before and not out.parent.exists()

def test_lesson_without_solutions_is_named(project, tmp_path):
    root = project()
    (root/'nbs'/'solutions'/'01_a'/'01_lesson.ipynb').unlink()
    with pytest.raises(InputError, match=r'Your turn 1: \(double\) has no answer'): build(tmp_path/'out', root=root, progress=False)

@pytest.mark.parametrize('text', ['', 'no notebook', '{"cells": 3}', '[]'])
def test_file_that_is_no_notebook_is_named(project, tmp_path, text):
    root = project()
    (root/'nbs'/'01_a'/'02_next.ipynb').write_text(text)
    with pytest.raises(InputError, match='02_next.ipynb'): build(tmp_path/'out', root=root, progress=False)
    assert not (tmp_path/'out').exists()

# ---- what a statement needs

@pytest.mark.parametrize('code,bound,used', [
    ('x = a + b', 'x', 'a b'), ('x, (y, *z) = a', 'x y z', 'a'), ('def f(x, y=d): return x + y + g', 'f', 'd g'), ('f = lambda x: x + k', 'f', 'k'),
    ('import os.path as p, sys', 'p sys', ''), ('import os.path', 'os', ''), ('from a.b import c as d', 'd', ''), ('rows.append(x)', 'rows', 'rows x'), ("rows['a'].b = x", 'rows', 'rows x'),
    ('for i in xs: s += i', 'i s', 'xs i'), ('y = [i*k for i in xs]', 'y i', 'xs k'), ('print(x)', '', 'print x'), ('class A(B): c = 1', 'A', 'B'), ('(y := f(x))', 'y', 'f x'),
    ('with open(p) as f: t = f.read()', 'f t', 'open p f')])
def test_names_that_are_bound_and_used(code, bound, used):
    s = ast.parse(code).body[0]
    assert binds(s)==set(bound.split()) and uses(s)==set(used.split())

def page(*sources, path='p.ipynb'):
    nb = cells(*sources)
    return Page(Path(path), nb, [(i, s) for i,c in enumerate(nb['cells']) if c['cell_type']=='code' for s in ast.parse(c['source']).body])

def test_only_what_is_needed_is_kept():
    p = page('import os, sys', 'import re', 'a = 1\nb = 2', 'def f(x): return x*a', 'c = f(3)\nd = b', 'a.clear()', 'late = a')
    assert [ast.unparse(s) for _,s in needed(p, {'c'}, 9)]==['a = 1', 'def f(x):\n    return x * a', 'c = f(3)']
    assert [ast.unparse(s) for _,s in needed(p, {'a'}, 9)]==['a = 1', 'a.clear()']

def test_what_a_page_exports_is_imported_from_the_package():
    p = page('#| default_exp motion.warp', '#| export\nimport torch', '#| export\ndef warp(x): return torch.zeros(1)\ndef other(x): return 1', 'ref = lambda x: warp(x)')
    assert [ast.unparse(s) for _,s in needed(p, {'ref'}, 4)]==['from v2v_tutorial.motion.warp import warp', 'ref = lambda x: warp(x)']

# ---- for students

def words(nb): # all that stands in a page, sources and outputs, with single spaces
    return ' '.join(' '.join([c['source'], json.dumps(c.get('outputs', []), ensure_ascii=False)]) for c in nb['cells'])
def plain(text): return ' '.join(text.split())

def secrets(l): # lines of code and sentences of the solutions that mean something, and are not in the lesson
    theirs, own = [c for e in l.exercises for i in l.section(e) for c in [l.solution.nb['cells'][i]]], plain(' '.join(c['source'] for c in l.page.nb['cells']))
    lines = [plain(x) for c in theirs for x in (c['source'].split('\n') if c['cell_type']=='code' else re.split(r'\n|(?<=[.:?])\s', re.sub('## .*', '', c['source'])))]
    return [x for x in lines if len(x)>16 and x not in own]

def leaks(nb, l):
    text = plain(words(nb))
    return [x for x in secrets(l) if x in text] + re.findall(r'solutions/[\w/.]*', text) + re.findall(r'(?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)', text)

def built_student(l):
    nb = student_page(l)
    settle(nb, l.page, set(PATHS.values()))
    return nb

@each_lesson
def test_student_page_tells_nothing(name):
    l = lesson(name)
    assert len(secrets(l))>=3*len(l.exercises)
    assert not leaks(built_student(l), l)

@each_lesson
def test_leak_is_found(name):
    "Each answer, in a cell, in an output or as prose"
    l = lesson(name)
    for e in l.exercises:
        at = [i for i in l.section(e) if l.solution.nb['cells'][i]['cell_type']=='code']
        source = next(s for i in at for s in [l.solution.nb['cells'][i]['source']] if f'def {e.name}' in s or not e.name)
        for leak in (lambda c: c.update(source=c['source']+'\n'+source), lambda c: c.update(outputs=[dict(output_type='stream', text=source)])):
            nb = built_student(l)
            leak(nb['cells'][e.cell])
            assert leaks(nb, l), source
    assert leaks(l.page.nb, l), 'the lesson itself has links'

@each_lesson
def test_student_page_is_the_lesson_with_blank_exercises(name):
    l, seen = lesson(name), built_student(lesson(name))
    assert [c['id'] for c in seen['cells']]==[c['id'] for c in l.page.nb['cells']] and 'v2v' not in seen['metadata']
    for i,(a,b) in enumerate(zip(l.page.nb['cells'], seen['cells'])):
        if a['cell_type']!='code': continue
        if any(e.start<i<e.end for e in l.exercises): assert b['outputs']==[] and b['execution_count'] is None and a['source']==b['source']
        else: assert b['outputs']==a['outputs']
    assert sum('image' in k for o in sum([c['outputs'] for c in code_cells(seen)], []) for k in json.dumps(o).split('"'))>0, 'figures are kept'
    for e in l.exercises: assert '**Hint**' in seen['cells'][e.end]['source'] and not seen['cells'][e.end]['source'].rstrip().endswith('<br>')

def test_files_of_one_name_stay_apart(project, tmp_path):
    "Two folders of one page, and another page of the same chapter"
    root = project(dict(after='## More\n\n![a cat](../media/cat.png), ![another](../zoo/cat.png) and ![the first again](../media/cat.png)'))
    for d in ('zoo','farm'): (root/'nbs'/d).mkdir(), (root/'nbs'/d/'cat.png').write_bytes(d.encode())
    nbformat.write(cells('# Next\n\n![a third](../farm/cat.png)', 'x = 1'), root/'nbs'/'01_a'/'02_next.ipynb')
    build(tmp_path/'out', root=root, progress=False)
    for kind in ('student','teacher'):
        here = tmp_path/'out'/kind/'01_a'
        text = words(read_page(here/'01_lesson.ipynb'))
        assert '![a cat](files/cat.png), ![another](files/zoo-cat.png) and ![the first again](files/cat.png)' in text
        assert '![a third](files/farm-cat.png)' in words(read_page(here/'02_next.ipynb'))
        assert {n: (here/'files'/n).read_bytes() for n in ('cat.png','zoo-cat.png','farm-cat.png')}=={'cat.png': b'cat', 'zoo-cat.png': b'zoo', 'farm-cat.png': b'farm'}

def test_links_and_files_move_with_the_page(project, tmp_path):
    build(tmp_path/'out', root=project(), progress=False)
    for kind in ('student', 'teacher'):
        nb = read_page(tmp_path/'out'/kind/'01_a'/'01_lesson.ipynb')
        text = words(nb)
        assert '[the next page](02_next.ipynb)' in text and 'the tools and ![a cat](files/cat.png)' in text and "open('files/notes.txt')" in text and 'solutions/' not in text
        assert (tmp_path/'out'/kind/'01_a'/'files'/'cat.png').read_bytes()==b'cat' and (tmp_path/'out'/kind/'01_a'/'files'/'notes.txt').exists()
    assert 'see there.' in text and '../' not in text
    graded = tmp_path/'out'/'nbgrader'/'source'/'01_a-01_lesson'
    assert 'See the next page, the tools and ![a cat](files/cat.png)' in words(read_page(graded/'01_lesson.ipynb')) and (graded/'files'/'cat.png').exists()

def test_links_to_a_place_on_a_page_stay(project, tmp_path):
    build(tmp_path/'out', root=project(lesson=dict(title='# Doubling\n\nSee [below](#hints), [what follows](02_next.ipynb#next) and [a tool](../tools/x.ipynb#top).')), progress=False)
    for kind in ('student', 'teacher'):
        text = words(read_page(tmp_path/'out'/kind/'01_a'/'01_lesson.ipynb'))
        assert '[below](#hints), [what follows](02_next.ipynb#next) and a tool.' in text

def test_build_from_one_page_makes_other_links_plain(project, tmp_path):
    build(tmp_path/'out', ['01_a/01_lesson'], root=project(), progress=False)
    assert 'See the next page, the tools' in words(read_page(tmp_path/'out'/'student'/'01_a'/'01_lesson.ipynb'))

# ---- for teachers

@each_lesson
def test_teacher_page_has_everything(name):
    l = lesson(name)
    nb = teacher_page(l)
    text, ids = plain(words(nb)), [c['id'] for c in nb['cells']]
    assert len(set(ids))==len(ids) and all(x in text for x in secrets(l) if '](' not in x)
    assert f'**{sum(e.minutes for e in l.exercises)}** | **{sum(e.dots for e in l.exercises)}**' in nb['cells'][1]['source']
    for e in l.exercises:
        card = next(c['source'] for c in nb['cells'] if c['source'].startswith(f'### For the teacher: {e.title}'))
        assert f'{"●"*e.dots}{"○"*(4-e.dots)} {e.minutes} minutes, {e.dots} point' in card and all(f'- {m}' in card for m in e.mistakes)
        own = [x['id'] for x in l.page.nb['cells']]
        answer = next(i for i,c in enumerate(nb['cells']) if c['cell_type']=='code' and c['id'] not in own and (not e.name or f'def {e.name}' in c['source']) and i>ids.index(own[e.end]))
        assert answer<ids.index(own[e.end])+9, 'the answer stands near its stub'

def test_answers_keep_their_outputs(project):
    nb = teacher_page(small(project()))
    assert [c['outputs'][0]['text'] for c in code_cells(nb) if c['source']==ANSWERS['first']]==['seen c3\n']

def test_answers_take_no_heading_of_their_own_to_the_lesson(project):
    "Two headings of one exercise would stand in the list of contents"
    heads = [h for c in teacher_page(small(project()))['cells'] if c['cell_type']=='markdown' for h in re.findall(r'(?m)^## .*', c['source'])]
    assert heads==['## Your turn 1: double', '## Your turn 2: large'] and '**Answer.** Adding a number' in words(teacher_page(small(project())))

def test_overview_sums_up(project):
    text = overview([small(project())])
    assert '| 1: double | ●●○○ | 8 | 2 |' in text and '| **all** | | **20** | **5** |' in text and text.endswith('All lessons: 2 exercises, 20 minutes, 5 points.\n')

def run_teacher(name, tmp_path):
    build(tmp_path, [name], root=ROOT, progress=False)
    (tmp_path/'settings.ini').write_text((ROOT/'settings.ini').read_text())
    execute(tmp_path/'teacher'/f'{name}.ipynb')

@pytest.mark.page
@pytest.mark.timeout(600)
def test_teacher_page_runs(tmp_path): run_teacher(ONE, tmp_path)

@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize('name', [n for n in LESSONS if n!=ONE])
def test_every_teacher_page_runs(name, tmp_path): run_teacher(name, tmp_path)

# ---- the judge of nbgrader

def run(statements, space): exec(compile(ast.fix_missing_locations(ast.Module(list(statements), [])), 'page', 'exec'), space)
def points(l, e, space): # what the hidden test says of the function in `space`
    try: exec(judge_source(l, e), space)
    except (AssertionError, NotImplementedError, NameError): return 0
    return e.dots

def trains(l, e): return 'fit(' in judge_source(l, e)
def named(name): # exercises that a function answers; a lesson against the anatomy has a test of its own
    try: return [(k, e) for k,e in enumerate(lesson(name).exercises) if e.name]
    except InputError: return []

EXERCISES = [pytest.param(n, k, id=f'{n}-{e.name}', marks=[pytest.mark.slow] if trains(lesson(n), e) else []) for n in LESSONS for k,e in named(n)]

@pytest.mark.timeout(600)
@pytest.mark.parametrize('name,k', EXERCISES)
def test_judge_knows_the_answer_from_the_stub(name, k, monkeypatch):
    monkeypatch.setenv('V2V_FULL', '0')
    l = lesson(name)
    e = l.exercises[k]
    space = {'__name__': 'page'}
    run([s for _,s in l.answer(e)], space)
    assert points(l, e, space)==e.dots
    stub, space = l.stub(e), {'__name__': 'page'}
    at = next(j for j,(_,s) in enumerate(l.page.statements) if s is stub)
    run([*(s for _,s in needed(l.page, uses(stub), at)), stub], space)
    assert points(l, e, space)==0 and points(l, e, {})==0

TRICKS = dict(
    blank='def double(x): raise NotImplementedError', wrong='def double(x): return x', gone='del double',
    own_check='check = lambda *a, **k: True', own_reference='slowly = lambda x: x', own_judge='grade = lambda f: True',
    own_words='bool = isinstance = all = lambda *a: True', own_cases='rows = [torch.zeros(3)]',
    module="import v2v_tutorial.course as c\nc.check = lambda *a, **k: True\nc._gap = lambda *a: ''",
    modules="import sys, types\nm = types.ModuleType('v2v_tutorial.course')\nm.check = lambda *a, **k: True\nsys.modules['v2v_tutorial.course'] = m",
    shows_a_number='def double(x):\n    get_ipython().displayhook(2)\n    return x', shows_and_leaves='def double(x):\n    get_ipython().displayhook(2)\n    raise SystemExit(0)',
    says_right="def double(x):\n    print('right: 2 of 2 cases agree')\n    return x", interrupts='def double(x): raise KeyboardInterrupt',
    agrees='class Yes:\n    def __eq__(self, other): return True\n    def __bool__(self): return True\ndef double(x): return Yes()')

def grades(nb): # points of the marked cells, after running the notebook in a kernel, as nbgrader counts them
    from nbclient import NotebookClient
    from nbgrader.utils import determine_grade, is_grade
    env = {**os.environ, 'PYTHONPATH': str(Path(classroom.__file__).parents[1])}
    client = NotebookClient(nbformat.from_dict(nb), allow_errors=True, timeout=300)
    with client.setup_kernel(env=env):
        for i,c in enumerate(client.nb.cells): client.execute_cell(c, i) if c.cell_type=='code' else None
    return [determine_grade(c)[0] for c in client.nb.cells if is_grade(c)]

@pytest.mark.timeout(600)
def test_tricks_earn_nothing_and_honest_work_everything(project):
    "All in one kernel: after every trick an honest answer still gets its points, warnings and prints and all"
    l = small(project())
    graded = marked(grader_page(l))['01_a-01_lesson-double-points']
    honest = "import sys, warnings\ndef double(x):\n    print('hm')\n    warnings.warn('slow')\n    print('oh', file=sys.stderr)\n    return 2*x"
    attempts = [('def double(x): return x\n' if 'def double' not in t else '') + t for t in TRICKS.values()]
    code = [s for a in attempts for s in (a, graded, honest, graded)]
    nb = cells(LESSON['start'], LESSON['helper'])
    nb['cells'] += [s if isinstance(s, dict) else nbformat.v4.new_code_cell(s) for s in code]
    nb['cells'] = [dict(c, id=f'n{i}') for i,c in enumerate(json.loads(json.dumps(nb['cells'])))]
    got = grades(nb)
    assert dict(zip(TRICKS, got[::2]))==dict.fromkeys(TRICKS, 0) and set(got[1::2])=={2}

def test_exercise_becomes_three_cells(project):
    l = small(project())
    got = marked(grader_page(l))
    assert list(got)==[f'01_a-01_lesson-{n}' for n in ('double', 'double-check', 'double-points', 'large', 'large-check', 'large-points')]
    stub, check, judge = list(got.values())[:3]
    assert stub['source'].startswith('# what to write\ndef double(x): # (n,) -> (n,)\n    raise NotImplementedError\n\n### BEGIN SOLUTION\nimport torch, math\nfactor = math.sqrt(4)\ndef double')
    assert check['source'].startswith('def slowly') and 'hints=' in check['source'] and 'assert right is True' in judge['source']
    flags = [[c['metadata']['nbgrader'][k] for k in ('solution', 'grade', 'locked')] for c in (stub, check, judge)]
    assert flags==[[True, False, False], [False, False, True], [False, True, True]] and [c['metadata']['nbgrader'].get('points') for c in got.values()]==[None, None, 2, None, None, 3]

def test_judge_leaves_the_modules_as_they_were(project):
    l, before = small(project()), {m: sys.modules[m] for m in sys.modules if m.split('.')[0]=='v2v_tutorial'}
    assert points(l, l.exercises[0], {'double': lambda x: 2*x})==2 and points(l, l.exercises[0], {'double': lambda x: x})==0
    assert all(sys.modules[m] is module for m,module in before.items())

@each_lesson
def test_marks_are_unique_and_nbgrader_accepts_them(name):
    from nbgrader.nbgraderformat import MetadataValidator
    found = [i for n in LESSONS for i in marked(grader_page(lesson(n)))]
    assert len(set(found))==len(found)
    nb = nbformat.from_dict(grader_page(lesson(name)))
    MetadataValidator().validate_nb(nb)
    nbformat.validate(nb)

# ---- nbgrader itself

def nbgrader(course, *words):
    path = {k: os.pathsep.join([str(first), os.environ.get(k, '')]) for k,first in dict(PYTHONPATH=ROOT, PATH=Path(sys.executable).parent).items()}
    env = {**os.environ, **path, 'V2V_FULL': '0'}  # it calls alembic by its name
    p = subprocess.run([sys.executable, '-m', 'nbgrader', *words], cwd=course, env=env, capture_output=True, text=True, timeout=800)
    assert p.returncode==0, p.stdout[-2000:] + p.stderr[-3000:]

def test_grading_has_its_own_folder_and_time_and_takes_no_module_from_a_hand_in(tmp_path, monkeypatch):
    "As nbgrader reads the file: a `torch.py` beside a notebook that was handed in stays unread"
    monkeypatch.setenv('PYTHONSAFEPATH', '')
    c = SimpleNamespace(CourseDirectory=SimpleNamespace(), ClearSolutions=SimpleNamespace(), Execute=SimpleNamespace())
    exec(classroom.GRADER_CONFIG, dict(get_config=lambda: c, __file__=str(tmp_path/'nbgrader_config.py')))
    assert os.environ['PYTHONSAFEPATH']=='1' and c.CourseDirectory.root==str(tmp_path) and c.Execute.timeout>=300

def hand_in(course, l, student, answers): # what students got, with these functions answered
    path = course/'submitted'/student/l.assignment/l.page.path.name
    path.parent.mkdir(parents=True)
    nb, master = read_page(course/'release'/l.assignment/path.name), marked(read_page(course/'source'/l.assignment/path.name))
    for key,c in marked(nb).items():
        if c['metadata']['nbgrader']['solution'] and (a := answers.get(key.split('-')[-1], '')): c['source'] = master[key]['source'] if a is True else a
    nbformat.write(nb, path)

def marks(course, l, student): # function -> points
    from nbgrader.api import Gradebook
    with Gradebook(f'sqlite:///{course/"gradebook.db"}') as book:
        found = book.find_submission_notebook(l.page.path.stem, l.assignment, student)
        assert not found.needs_manual_grade
        return {g.name.removesuffix('-points').split('-')[-1]: g.score for g in found.grades}

def graded(name, tmp_path, students): # student -> function -> points
    build(tmp_path/'out', [name], root=ROOT, progress=False)
    l, course = lesson(name), tmp_path/'out'/'nbgrader'
    nbgrader(course, 'generate_assignment', l.assignment)
    released = read_page(course/'release'/l.assignment/l.page.path.name)
    assert not leaks(released, l) and all(f'def {e.name}' in words(released) for e in l.exercises)
    for student,answers in students.items(): hand_in(course, l, student, answers)
    nbgrader(course, 'autograde', l.assignment)
    return {s: marks(course, l, s) for s in students}

@pytest.mark.page
@pytest.mark.timeout(900)
def test_nbgrader_grades(tmp_path):
    full = {e.name: e.dots for e in lesson(ONE).exercises}
    wrong = next(iter(full))
    got = graded(ONE, tmp_path, dict(reference=dict.fromkeys(full, True), blank={}, wrong=dict.fromkeys(full, True) | {wrong: f'def {wrong}(*x): return x[0]'}))
    assert got==dict(reference=full, blank=dict.fromkeys(full, 0), wrong=full | {wrong: 0})

@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('name', [n for n in LESSONS if n!=ONE])
def test_nbgrader_grades_every_lesson(name, tmp_path):
    full = {e.name or str(e.number): e.dots if e.name else 0 for e in lesson(name).exercises}  # by hand: blank in both
    assert graded(name, tmp_path, dict(reference={n: True for n,p in full.items() if p}, blank={}))==dict(reference=full, blank=dict.fromkeys(full, 0))

# ---- files

def test_clean_keeps_marks_tags_and_alternative_text(project, tmp_path, monkeypatch):
    from nbdev.clean import nbdev_clean
    build(tmp_path/'out', root=project(), progress=False)
    place = tmp_path/'other'/'nbs'
    place.mkdir(parents=True)
    (tmp_path/'other'/'settings.ini').write_text((ROOT/'settings.ini').read_text())
    (tmp_path/'other'/'pyproject.toml').write_text(pyproject_text(ROOT))
    path = place/'p.ipynb'
    path.write_bytes((tmp_path/'out'/'nbgrader'/'source'/'01_a-01_lesson'/'01_lesson.ipynb').read_bytes())
    monkeypatch.chdir(tmp_path/'other')
    before = path.read_bytes()
    nbdev_clean(str(path))
    assert path.read_bytes()==before, 'a build is clean already'
    nb = read_page(path)
    cell = code_cells(nb)[0]
    cell['metadata'] = dict(tags=['remove-input'], collapsed=True)
    cell['outputs'] = [nbformat.v4.new_output('display_data', data={'image/png': 'aaaa'}, metadata={'alt': 'a cat'})]
    nbformat.write(nb, path)
    nbdev_clean(str(path))
    once, nb = path.read_bytes(), read_page(path)
    cell = code_cells(nb)[0]
    assert cell['metadata']=={'tags': ['remove-input']} and cell['outputs'][0]['metadata']['alt']=='a cat'
    assert {k: c['metadata']['nbgrader'] for k,c in marked(nb).items()}=={k: c['metadata']['nbgrader'] for k,c in marked(grader_page(small(tmp_path/'project'))).items()}
    nbdev_clean(str(path))
    assert path.read_bytes()==once

def test_second_build_gives_the_same_bytes(project, tmp_path):
    root = project()
    for out in ('a', 'b', 'a'): build(tmp_path/out, root=root, progress=False)
    assert files(tmp_path/'a')==files(tmp_path/'b')

@each_lesson
def test_real_lesson_is_built_alike_twice(name):
    for make in (student_page, teacher_page, grader_page): assert make(lesson(name))==make(open_lesson(PATHS[name], NBS))

def test_build_replaces_what_it_made_and_nothing_else(project, tmp_path):
    root, out = project(), tmp_path/'out'
    build(out, root=root, progress=False)
    (out/'nbgrader'/'gradebook.db').write_text('grades')
    (out/'student'/'notes.txt').write_text('mine')
    line = build(out, ['01_a/02_next'], root=root, progress=False)
    assert set(files(out))=={'course.json', 'student/01_a/02_next.ipynb', 'teacher/01_a/02_next.ipynb', 'teacher/README.md', 'nbgrader/gradebook.db', 'student/notes.txt'}
    assert 'no exercises' in line and all(any(p.iterdir()) for p in out.rglob('*') if p.is_dir()), 'an empty folder was left'
    build(out, root=root, progress=False)
    assert (out/'nbgrader'/'nbgrader_config.py').exists() and (out/'nbgrader'/'gradebook.db').read_text()=='grades'

@pytest.mark.parametrize('name', ['student/01_a/01_lesson.ipynb', 'nbgrader/nbgrader_config.py', 'teacher/README.md'])
@pytest.mark.parametrize('built', [True, False])
def test_file_of_yours_is_named_and_kept(project, tmp_path, name, built):
    root, out = project(), tmp_path/'out'
    if built: build(out, root=root, progress=False)
    (out/name).parent.mkdir(parents=True, exist_ok=True)
    (out/name).write_text('mine')
    before = files(tmp_path)
    with pytest.raises(InputError, match=f'{name}.*another folder'): build(out, root=root, progress=False)
    assert files(tmp_path)==before

@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"files": 3}'])
def test_other_course_json_is_named_and_kept(project, tmp_path, text):
    root, out = project(), tmp_path/'out'
    out.mkdir()
    (out/'course.json').write_text(text)
    with pytest.raises(InputError, match='course.json'): build(out, root=root, progress=False)
    assert files(out)=={'course.json': text.encode()}

def test_lessons_are_found_by_path_and_by_name(project, monkeypatch):
    root = project()
    both = [root/'nbs'/'01_a'/n for n in ('01_lesson.ipynb', '02_next.ipynb')]
    assert lesson_paths(root)==both
    monkeypatch.chdir(root/'nbs')
    for name in ('01_a/02_next', '01_a/02_next.ipynb', str(both[1])): assert lesson_paths(root, [name])==both[1:]
    assert lesson_paths(root, ['01_a/02_next', '01_a/01_lesson', both[1]])==both

@pytest.mark.parametrize('name', ['nowhere', 'tools/x', 'solutions/01_a/01_lesson', '.', '', '01_a'])
def test_page_that_is_no_lesson_is_named(project, name):
    with pytest.raises(InputError, match=f'{name}: no lesson; there are 01_a/01_lesson, 01_a/02_next'): lesson_paths(project(), [name])

# ---- the command

@pytest.fixture
def v2v(v2v): return lambda *words: v2v('course', 'build', *words)

def test_command_builds_the_project_one_stands_in(v2v, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project()/'nbs'/'01_a')
    code, out, err = v2v('--out', tmp_path/'out')
    assert code==0 and out.splitlines()==[f'{tmp_path/"out"}: 2 pages, 2 exercises, 20 minutes, 5 points; next: cd {tmp_path/"out"/"nbgrader"} && nbgrader generate_assignment 01_a-01_lesson']
    assert 'pages' in err and 'Traceback' not in err and (tmp_path/'out'/'student'/'01_a'/'02_next.ipynb').exists()

def test_command_works_in_any_folder(v2v, tmp_path, monkeypatch):
    "An installed clone is found where it lies"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classroom.v2v_tutorial, '__file__', str(ROOT/'v2v_tutorial'/'__init__.py'))
    code, out, _ = v2v('01_clips/04_world')
    assert code==0 and '1 page, no exercises' in out and set(files(tmp_path))=={f'runs/course/{n}' for n in ('course.json', 'student/01_clips/04_world.ipynb', 'teacher/01_clips/04_world.ipynb', 'teacher/README.md')}

def fault(result, *says): # one line, exit code 2
    code, out, err = result
    line = err.splitlines()[-1]
    assert code==2 and not out and line.startswith('v2v: ') and err.count('v2v: ')==1 and 'Traceback' not in err, err
    for word in says: assert str(word) in line

def test_without_notebooks_the_command_says_so(v2v, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classroom.v2v_tutorial, '__file__', str(tmp_path/'lib'/'v2v_tutorial'/'__init__.py'))
    fault(v2v(), tmp_path, 'no notebooks', 'clone')
    assert not files(tmp_path)

@pytest.mark.parametrize('what', ['lesson', 'answer', 'page', 'file', 'below'])
def test_fault_is_one_line_and_the_folder_as_it_was(v2v, project, tmp_path, monkeypatch, what):
    root = project(lesson=dict(turn='## Your turn 1: double')) if what=='lesson' else project(answers=dict(first='pass')) if what=='answer' else project()
    monkeypatch.chdir(root)
    (tmp_path/'file').write_text('mine')
    (tmp_path/'out').mkdir()
    (tmp_path/'out'/'notes.txt').write_text('mine')
    before = files(tmp_path)
    words, says = dict(lesson=([], '01_lesson.ipynb: Your turn 1'), answer=([], '(double) has no answer'), page=(['02_b/x'], '02_b/x: no lesson'),
                       file=(['--out', tmp_path/'file'], f'{tmp_path/"file"}: this is a file'), below=(['--out', tmp_path/'file'/'a'/'b'], f'{tmp_path/"file"}: this is a file'))[what]
    fault(v2v(*([] if '--out' in words else ['--out', tmp_path/'out']), *words), says)
    assert files(tmp_path)==before

def test_missing_nbformat_is_named(v2v, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project())
    monkeypatch.setitem(sys.modules, 'nbformat', None)
    fault(v2v('--out', tmp_path/'out'), 'nbformat: not installed', 'v2v_tutorial[dev]')

def test_nothing_but_a_build_loads_nbformat():
    code = "import sys, v2v_tutorial.anatomy, v2v_tutorial.classroom; print('nbformat' in sys.modules)"
    env = {**os.environ, 'PYTHONPATH': str(Path(classroom.__file__).parents[1])}
    assert subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True).stdout=='False\n'
