"A check that lets right answers pass, says which mistake a wrong one looks like, and never raises"
import numpy as np, pytest, torch
from v2v_tutorial.course import budget, check

X = torch.tensor([[-1.,2.,-3.,.5]])
def blank(x): raise NotImplementedError
def raising(error): # a function that raises it
    def attempt(x): raise error('so')
    return attempt
def verdict(capsys, *args, **kw): # (what check returns, what it prints)
    right = check(*args, **kw)
    return right,capsys.readouterr().out

# ---- budget

@pytest.mark.parametrize('set_to,want', [(None,3), ('0',3), ('',3), ('1',500), ('yes',3)])
def test_budget_is_fast_unless_asked(monkeypatch, set_to, want):
    monkeypatch.delenv('V2V_FULL', raising=False)
    if set_to is not None: monkeypatch.setenv('V2V_FULL', set_to)
    assert budget(3, 500)==want

# ---- right and wrong

RIGHT = [torch.abs, lambda x: x*x.sign(), lambda x: x.abs().numpy(), lambda x: torch.maximum(x, -x), lambda x: x.abs()+5e-5,
         lambda x: x.abs().requires_grad_()]
WRONG = [torch.neg, torch.relu, lambda x: x, lambda x: x.abs()+1e-3, lambda x: x.abs().flip(-1), lambda x: x.abs()*float('nan'), lambda x: x.abs()/0,
         torch.zeros_like]
SHAPE = [torch.flatten, lambda x: x.abs()[None], lambda x: x.abs().sum(), lambda x: x.abs()[:,:2], lambda x: x.abs().T, lambda x: x.abs()[:0]]
KIND = [lambda x: x.abs().double(), lambda x: x.abs().int(), lambda x: x.abs()>0]
STRANGE = [lambda x: 'three', lambda x: [X.abs()]*2, lambda x: {}, lambda x: object(), lambda x: check, lambda x: ..., lambda x: (x.abs(),)*2]

@pytest.mark.parametrize('attempt', RIGHT)
def test_right_answers_pass(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), (X.T,), ref=torch.abs)
    assert right is True and said=='right: 2 of 2 cases agree\n'

@pytest.mark.parametrize('attempt', WRONG)
def test_wrong_values_are_told_with_their_place(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), ref=torch.abs)
    assert right is False and said.startswith('case 1 of 1: largest difference')

@pytest.mark.parametrize('attempt', SHAPE)
def test_wrong_shape_is_told(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), ref=torch.abs)
    assert right is False and 'expected shape (1, 4)' in said

@pytest.mark.parametrize('attempt', KIND)
def test_wrong_type_is_told(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), ref=torch.abs)
    assert right is False and 'expected torch.float32, got' in said

@pytest.mark.parametrize('attempt', [*STRANGE, *map(raising, (ValueError, RuntimeError, AssertionError, KeyError, MemoryError)),
                                     lambda: 1, lambda x,y: x, lambda x: x@x, lambda x: x.nothing, 'no function', None, 7])
def test_nothing_raises(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), ref=torch.abs, hints={'the sign': torch.neg})
    assert right is False and said.startswith('case 1 of 1: ') and said.count('\n')==1

@pytest.mark.parametrize('attempt', [blank, lambda x: None])
def test_blank_is_not_yet(attempt, capsys):
    right,said = verdict(capsys, attempt, (X,), ref=torch.abs, hints={'the sign': torch.neg})
    assert right is False and said.startswith('not yet') and 'looks like' not in said

def test_every_case_counts(capsys):
    right,said = verdict(capsys, torch.relu, (X.abs(),), (X.abs()+1,), (X,), ref=torch.abs)
    assert right is False and said.startswith('case 3 of 3')

def test_place_of_the_largest_difference_is_named(capsys):
    assert 'largest difference 6 at (0, 2)' in verdict(capsys, lambda x: x, (X,), ref=torch.abs)[1]

def test_place_of_what_is_no_number_is_named(capsys):
    spoil = lambda x: x.abs().index_fill(1, torch.tensor(1), float('nan')) + torch.tensor([[9.,0,0,0]])
    assert 'largest difference inf at (0, 1)' in verdict(capsys, spoil, (X,), ref=torch.abs)[1]

@pytest.mark.parametrize('tol,right', [(1e-2,True), (1e-4,False)])
def test_tolerance_is_as_asked(tol, right): assert check(lambda x: x.abs()+1e-3, (X,), ref=torch.abs, tol=tol) is right

def test_tolerance_does_not_grow_with_the_numbers(): assert not check(lambda x: 1000*x.abs()+1e-2, (X,), ref=lambda x: 1000*x.abs())

# ---- kinds of answers

@pytest.mark.parametrize('got', [3, 3., np.float64(3), np.float32(3), np.int64(3), torch.tensor(3), torch.tensor(3.)])
@pytest.mark.parametrize('want', [3, 3.])
def test_number_is_a_number_whatever_its_type(got, want): assert check(lambda: got, (), ref=lambda: want) is True

@pytest.mark.parametrize('got', [2, 3.1, [3], torch.tensor([3.]), (3,), float('nan')])
def test_another_number_is_wrong(got): assert check(lambda: got, (), ref=lambda: 3.) is False

@pytest.mark.parametrize('got,right', [((1,X),True), ([1,X],True), ((X,1),False), ((1,),False), ((1,X,X),False), (X,False), ((1,X+1),False)])
def test_several_values_are_compared_in_order(got, right): assert check(lambda: got, (), ref=lambda: (1,X)) is right

@pytest.mark.parametrize('got,right', [(np.arange(3),True), (torch.arange(3),True), (np.arange(4),False), (np.arange(3.),False)])
def test_arrays_are_judged_like_tensors(got, right): assert check(lambda: got, (), ref=lambda: np.arange(3)) is right

def test_truth_values_are_judged():
    assert check(lambda x: x>0, (X,), ref=lambda x: x.gt(0)) and not check(lambda x: x>=2, (X,), ref=lambda x: x>0)

# ---- cases are safe

def test_attempt_that_writes_into_its_argument_spoils_nothing():
    "Neither the reference nor the next check sees what the attempt did"
    def greedy(x): return x.zero_()
    x,a = X.clone(),np.ones(3)
    assert not check(greedy, (x,), ref=torch.abs) and (x==X).all()
    assert check(lambda x: x.abs_(), (x,), (x,), ref=torch.abs) and (x==X).all()
    assert check(torch.abs, (x,), (x,), ref=lambda x: x.abs_()) and (x==X).all()
    def fill(a): a[:] = 7; return a
    assert not check(fill, (a,), ref=lambda a: a) and (a==1).all()

# ---- hints

HINTS = {'the sign of every number is turned': torch.neg, 'negative numbers became zero': torch.relu, 'nothing changed': lambda x: x}

@pytest.mark.parametrize('attempt,words', [(torch.neg,'sign of every'), (lambda x: x.clamp_min(0),'became zero'),
                                           (lambda x: x.clone(),'nothing changed')])
def test_mistake_is_named(attempt, words, capsys):
    said = verdict(capsys, attempt, (X,), ref=torch.abs, hints=HINTS)[1]
    assert words in said and sum(h in said for h in HINTS)==1

@pytest.mark.parametrize('attempt', [torch.exp, lambda x: x.abs()+1, torch.flatten])
def test_unknown_mistake_gets_no_name(attempt, capsys):
    assert 'looks like' not in verdict(capsys, attempt, (X,), ref=torch.abs, hints=HINTS)[1]

def test_name_explains_all_cases_where_one_can(capsys):
    "On the first case both mistakes give the same; the second case tells them apart"
    hints = {'it neither rounds nor clamps': lambda x: x.trunc(), 'it clamps and does not round': lambda x: x.clamp(-1, 1).trunc()}
    ref = lambda x: x.clamp(-1, 1).round()
    said = verdict(capsys, lambda x: x.clamp(-1, 1).trunc(), (torch.tensor([.7]),), (torch.tensor([.7,4.]),), ref=ref, hints=hints)[1]
    assert 'clamps and does not round' in said
    said = verdict(capsys, lambda x: x.trunc(), (torch.tensor([.7]),), (torch.tensor([.7,4.]),), ref=ref, hints=hints)[1]
    assert 'neither rounds' in said

def test_mistake_that_explains_one_case_is_better_than_none(capsys):
    attempt = lambda x: -x if len(x)==1 else x*9
    said = verdict(capsys, attempt, (X,), (torch.cat([X,X]),), ref=torch.abs, hints=HINTS)[1]
    assert 'sign of every' in said

def test_hint_that_can_not_run_is_passed_over(capsys):
    said = verdict(capsys, torch.neg, (X,), ref=torch.abs, hints={'broken': lambda x: x.nothing, **HINTS})[1]
    assert 'sign of every' in said and 'broken' not in said

def test_wrong_shape_may_be_a_known_mistake(capsys):
    assert 'axes exchanged' in verdict(capsys, lambda x: x.abs().T, (X,), ref=torch.abs, hints={'axes exchanged': lambda x: x.abs().T})[1]

def test_right_answer_is_right_even_if_a_hint_is_not_wrong(capsys):
    assert verdict(capsys, torch.abs, (X,), ref=torch.abs, hints={'never': torch.abs})[0] is True
