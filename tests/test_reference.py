"A module described from its text: names, signatures, tables, sections"
import ast, re
import pytest
from v2v_tutorial.pages import read_page, write_page
from v2v_tutorial.reference import (_call, _comments, _entry, _kind, docment_table, dotted, link_names, modules, names_in_reach,
                                    reference_page, sections, title)
from conftest import ROOT

SOURCE = '''
@dataclass
class Box:
    "Holds a thing"
    size:int          # pixels
    like:int|None=None # same as this
    _seen:int=0       # nobody's business

    def grow(self, by:int=1): # pixels on each side
        "A larger box"

    def _hide(self): pass

    @property
    def area(self)->int: return self.size**2

class Net(Module):
    def __init__(self,
        width:int=8, # channels
    ):
        "A net"

@mark
def shift(
    frame,           # (C,H,W) what to move
    *others:tuple,   # more of them
    dx:int|float=1,  # pixels | right
    how:Annotated[str, typer.Option(help='in words')]='fast',
    **rest,
)->Box: # moved
    "Move a `Box`"

def both(a, b): # about the two
    pass

def mute(a:int, b:int=2)->int: return a

LIMIT = 3
a, b = 1, 2
'''
NODES = {n: node for node in ast.parse(SOURCE).body for n in [getattr(node, 'name', None) or ast.unparse(node.targets[0])]}
SAYS = _comments(SOURCE)

def rows(name):
    return [[c.strip() for c in re.split(r'(?<!\\)\|', l)[1:-1]] for l in docment_table(NODES[name], SAYS).splitlines()[2:]]

def test_table_of_a_function():
    assert rows('shift')==[['`frame`', '', '', '(C,H,W) what to move'], ['`others`', '`tuple`', '', 'more of them'],
                           ['`dx`', r'`int \| float`', '`1`', r'pixels \| right'], ['`how`', '`str`', "`'fast'`", 'in words'], ['`rest`', '', '', ''],
                           ['*returns*', '`Box`', '', 'moved']]

def test_table_of_a_class_has_its_fields_or_what_it_is_made_from():
    assert [r[0] for r in rows('Box')]==['`size`', '`like`'] and rows('Box')[1][1:]==[r'`int \| None`', '`None`', 'same as this']
    assert rows('Net')==[['`width`', '`int`', '`8`', 'channels']]

@pytest.mark.parametrize('name', ['both', 'mute'])
def test_no_table_where_nothing_is_said_of_a_parameter(name): assert rows(name)==[]

def test_comment_of_a_one_line_signature_is_about_all_of_it(): assert 'about the two' in _entry('both', NODES['both'], SOURCE, {})

def test_every_default_stands_at_its_parameter():
    f = ast.parse('def f(\n a,\n b=1,\n *,\n c,\n d=2,\n): pass')
    table = docment_table(f.body[0], {2: 'x', 3: 'y', 5: 'z', 6: 'w'})
    assert [l.split('|')[3].strip() for l in table.splitlines()[2:]]==['', '`1`', '', '`2`']

@pytest.mark.parametrize('name,call', [
    ('shift', "(frame, *others: tuple, dx: int | float=1, how: str='fast', **rest) -> Box"), ('Net', '(width: int=8)'),
    ('Box', '(size: int, like: int | None = None)'), ('mute', '(a: int, b: int=2) -> int')])
def test_signature(name, call): assert _call(ast.parse(SOURCE).body[list(NODES).index(name)])==call

def test_entry_of_a_class_holds_its_public_methods():
    text = _entry('Box', NODES['Box'], SOURCE, {}, 'Built in [x](y)')
    assert '{py:class} Box(size' in text and '{py:method} grow(by: int=1)' in text and '{py:property} area\n' in text and '{py:method} _hide' not in text
    assert text.count('Built in')==1 and 'pixels on each side' in text and '@dataclass\nclass Box' in text

def test_a_default_may_hold_backticks():
    source = 'def f(a=say("`x`")): pass'
    assert _entry('f', ast.parse(source).body[0], source, {}).startswith("~~~~~~~{py:function} f(a=say('`x`'))\n")

def test_kinds():
    assert [_kind(n, False) for n in NODES.values()]==['class', 'class', 'function', 'function', 'function', 'data', 'data']
    assert '```python\nLIMIT = 3\n```' in _entry('LIMIT', NODES['LIMIT'], SOURCE, {})

@pytest.mark.parametrize('text,same', [('[`warp`](a.md)', True), ('```\n`warp`\n```', True), ('## `warp`', True), ('``warp``', True), ('`warped`', True),
                                       ('`warp`', False), ('# x\n`warp`', False)])
def test_names_become_links_where_they_are_words(text, same):
    got = link_names(text, {'warp': 'm.warp'})
    assert got==(text if same else text.replace('`warp`', '{py:obj}`warp <m.warp>`'))

def test_names_in_reach_are_those_imported_and_those_made(tmp_path):
    write_page(tmp_path/'p.ipynb', '# T', '#| default_exp course', 'from v2v_tutorial.motion.warp import warp')
    names = names_in_reach(read_page(tmp_path/'p.ipynb'), ROOT)
    assert names['warp']=='v2v_tutorial.motion.warp.warp' and names['check']=='v2v_tutorial.course.check' and 'Clip' not in names

def test_sections(tmp_path):
    write_page(tmp_path/'p.ipynb', '# The `title`', 'a = 1', '# The title\n\n## Part: one!\n\n```\n# no heading\n```', 'b = 1', '# X\n## Part: one!', 'c = 1')
    nb = read_page(tmp_path/'p.ipynb')
    found = sections(nb)
    assert title(nb)=='The `title`'
    assert [found[f'c{i}'] for i in (1,3,5)]==[('The title', ''), ('Part: one!', '#part-one'), ('Part: one!', '#part-one-1')]

@pytest.mark.parametrize('module', modules(ROOT), ids=lambda m: m.stem)
def test_every_public_name_is_described(module):
    text, tree = reference_page(module, ROOT), ast.parse(module.read_text())
    listed = next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0])=='__all__')
    missing = [n for n in listed if not re.search(r'(?m)^~{7}\{py:(class|function|data)\} '+n+r'\b', text)]
    assert not missing, f'{dotted(module, ROOT)}: {missing}'
    assert len(re.findall('(?m)^Built in', text))==len(listed)
