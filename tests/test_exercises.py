"""Every check of every lesson meets right answers, known mistakes, other mistakes, a wrong shape and a blank

The check is run as it stands on the page: the statements that it needs are taken from the page's source, and the reader's
function is put in. A new exercise needs one entry in ANSWERS: two right answers, and wrong ones beyond the page's own hints.
"""
import ast, re
from copy import deepcopy
from functools import lru_cache
from itertools import accumulate
import numpy as np, pytest, torch
import torch.nn.functional as F
from v2v_tutorial.motion.warp import pixel_grid, warp
from v2v_tutorial.pages import code_cells, page_paths, read_page
from conftest import ROOT

LESSONS = {str(p.relative_to(ROOT/'nbs').with_suffix('')): p for p in page_paths(ROOT) if p.relative_to(ROOT/'nbs').parts[0][:2].isdigit()}

# ---- lesson and function -> right answers, wrong answers

def recursive(step, labels, past): # a film as its first frame and the film of the rest
    if not len(labels): return past.new_zeros(0, *past.shape)
    frame = step(labels[0], past)
    return torch.cat([frame[None], recursive(step, labels[1:], frame)])

def repeated(x, m): # the last row and column again until both sides are multiples of m
    while x.shape[-2]%m: x = torch.cat([x, x[...,-1:,:]], -2)
    while x.shape[-1]%m: x = torch.cat([x, x[...,-1:]], -1)
    return x

def walked(kernels, strides): # receptive fields from the first layer up
    spans, step = [1], 1
    for k,s in zip(kernels, strides):
        spans.append(spans[-1] + (k-1)*step)
        step *= s
    return spans[1:]
def moved(flow): # (2,H,W) -> rows and columns that each pixel asks for
    grid = pixel_grid(*flow.shape[1:]) + flow
    return grid[1], grid[0]

def pick(frame, ys, xs): return frame[:, ys.long().clamp(0, frame.shape[1]-1), xs.long().clamp(0, frame.shape[2]-1)]

def sides(source, flow): # where grid_sample finds what `flow` points at, counted between centres
    h,w = source.shape[2:]
    return (2*(pixel_grid(h, w) + flow)/torch.tensor([w-1., h-1.]).view(2,1,1) - 1).movedim(1, -1)

def hung(p, a, s, z, grow=1., right=0.): # place, angle, scale, size -> (3,3), multiplied out
    c, k, (v, u) = s*torch.cos(a), s*torch.sin(a), (z-1)/2
    return torch.tensor([[c*grow, -k, p[0] - c*u + k*v + right], [k, c*grow, p[1] - k*u - c*v], [0, 0, 1]])

def step_by_step(p, a, s, z): # the same from three matrices
    c, k = np.cos(float(a)), np.sin(float(a))
    place = lambda x, y: np.array([[1,0,float(x)], [0,1,float(y)], [0,0,1]])
    return place(*p) @ np.diag([float(s), float(s), 1]) @ np.array([[c,-k,0], [k,c,0], [0,0,1]]) @ place(-(z[1]-1)/2, -(z[0]-1)/2)

def with_ones(p): return torch.cat([p, torch.ones_like(p[:,:1])], 1)

def from_the_front(alphas): # shares of layers, given the farthest first
    out, light = [], torch.ones_like(alphas[0])
    for a in alphas.flip(0):
        out.insert(0, light*a)
        light = light*(1-a)
    return torch.stack(out)

ANSWERS = {
    ('01_clips/01_clip', 'to_rgb'): (
        [lambda x: x[:,[2,1,0]], lambda x: torch.stack([x[:,2], x[:,1], x[:,0]], 1), lambda x: x.unbind(1) and torch.cat(x.split(1, 1)[::-1], 1)],
        [lambda x: x.roll(-1, 1), lambda x: x[:,[0,2,1]], lambda x: x.flip(1).flip(0), lambda x: -x, lambda x: x.flip(1).double()]),
    ('01_clips/01_clip', 'to_bytes'): (
        [lambda x: ((x + 1)*127.5).round().clamp(0, 255).to(torch.uint8), lambda x: ((x.clamp(-1, 1) + 1)*127.5 + .5).floor().to(torch.uint8),
         lambda x: torch.from_numpy(np.rint((np.clip(x.numpy(), -1, 1) + 1)*127.5).astype(np.uint8))],
        [lambda x: ((x.clamp(-1, 1) + 1)*127.5).ceil().to(torch.uint8), lambda x: ((x.clamp(-1, 1) + 1)*128).round().clamp(0, 255).to(torch.uint8),
         lambda x: (x.clamp(0, 1)*255).round().to(torch.uint8), lambda x: ((x.clamp(-1, 1) + 1)*127.5).round(),
         lambda x: ((x.sigmoid())*255).round().to(torch.uint8)]),
    ('01_clips/02_labels', 'one_hot'): (
        [lambda i,c: F.one_hot(i[:,0], c).movedim(-1, 1).float(), lambda i,c: (i==torch.arange(c).view(1,c,1,1)).float(),
         lambda i,c: torch.zeros(len(i), c, *i.shape[2:]).scatter_(1, i, 1.)],
        [lambda i,c: F.one_hot(i, c).float(), lambda i,c: F.one_hot(i[:,0]).movedim(-1, 1).float(), lambda i,c: (i>=torch.arange(c).view(1,c,1,1)).float(),
         lambda i,c: (i==torch.arange(c).view(1,c,1,1)), lambda i,c: torch.cat([(i==k).float() for k in range(c-1)], 1)]),
    ('01_clips/02_labels', 'halve'): (
        [lambda i: i[...,::2,::2], lambda i: F.interpolate(i.float(), scale_factor=.5, mode='nearest').long(),
         lambda i: i.unfold(2, 2, 2).unfold(3, 2, 2)[...,0,0]],
        [lambda i: F.avg_pool2d(i.float(), 2).long(), lambda i: i[...,:i.shape[-2]//2,:i.shape[-1]//2], lambda i: i[...,::2,1::2], lambda i: i[...,1::2,::2],
         lambda i: -F.max_pool2d(-i.float(), 2).long()]),
    ('01_clips/03_layers', 'hang'): (
        [hung, step_by_step, lambda *g: hung(*g).double().numpy()],
        [lambda *g: hung(*g).T, lambda *g: hung(*g, grow=.9), lambda *g: hung(*g, right=.1), lambda *g: hung(*g).inverse(), lambda p,a,s,z: hung(p, a*180/np.pi, s, z),
         lambda p,a,s,z: hung(0*p, a, s, z), lambda p,a,s,z: torch.eye(3), lambda p,a,s,z: hung(p, a, s*s, z), lambda p,a,s,z: hung(p.flip(0), a, s, z)]),
    ('01_clips/03_layers', 'motion'): (
        [lambda n,t,p: (with_ones(p) @ (t @ n.inverse()).T)[:,:2] - p, lambda n,t,p: (t @ torch.linalg.solve(n, with_ones(p).T))[:2].T - p,
         lambda n,t,p: ((t - n) @ n.inverse() @ with_ones(p).T)[:2].T],
        [lambda n,t,p: 0*p, lambda n,t,p: p - (with_ones(p) @ (t @ n.inverse()).T)[:,:2], lambda n,t,p: (t - n)[:2,2].expand_as(p), lambda n,t,p: ((with_ones(p) @ (t @ n.inverse()).T)[:,:2] - p).flip(1),
         lambda n,t,p: ((with_ones(p) @ (t @ n.inverse()).T)[:,:2] - p)/2, lambda n,t,p: (with_ones(p) @ (t @ n.inverse()).T)[:,:2] - p.flip(1)]),
    ('01_clips/03_layers', 'shares'): (
        [from_the_front, lambda a: a*torch.stack([(1-a[k+1:]).prod(0) for k in range(len(a))]),
         lambda a: torch.stack([(1-a[k+1:]).prod(0) - (1-a[k:]).prod(0) for k in range(len(a))])],
        [lambda a: a, lambda a: a/a.sum(0).clamp_min(1e-6), lambda a: from_the_front(a).flip(0), lambda a: from_the_front(a)/from_the_front(a).sum(0).clamp_min(1e-6),
         lambda a: F.one_hot((a>.5).long().mul(torch.arange(len(a)).view(-1,1,1)).argmax(0), len(a)).movedim(-1, 0).float(), lambda a: from_the_front(a)**2]),
    ('01_clips/22_data', 'past_flashes'): (
        [lambda m: torch.stack([m[max(t-2, 0):t,t:t+2].min() for t in range(1, len(m))]),
         lambda m: torch.stack([min(m[a,b] for a in range(max(t-2, 0), t) for b in range(t, min(t+2, len(m)))) for t in range(1, len(m))])],
        [lambda m: m.diagonal(2), lambda m: torch.stack([m[max(t-2, 0):t,t:t+2].mean() for t in range(1, len(m))]), lambda m: torch.stack([m[t-1:t,t:t+2].max() for t in range(1, len(m))]),
         lambda m: torch.stack([m[max(t-3, 0):t,t:t+3].min() for t in range(1, len(m))]).flip(0), lambda m: torch.stack([m[max(t-2, 0):t,t-1:t+1].min() for t in range(1, len(m))]),
         lambda m: m.min(1).values[1:]]),
    ('01_clips/22_data', 'pixels_of_each'): (
        [lambda i,g: torch.bincount(i[i!=g]), lambda i,g: torch.stack([((i==c) & (i!=g)).sum() for c in range(int(i[i!=g].max())+1)]),
         lambda i,g: F.one_hot(i[i!=g]).sum(0)],
        [lambda i,g: torch.bincount(i[i!=g], minlength=256), lambda i,g: torch.bincount(i[i!=g]).float(), lambda i,g: torch.bincount(i[:1][i[:1]!=g]), lambda i,g: torch.bincount(i[i!=g])[1:],
         lambda i,g: i[i!=g].unique(), lambda i,g: torch.bincount(i[i<g])]),
    ('01_clips/22_data', 'nearest_class'): (
        [lambda p,c: (p.int()[:,:,None] - c.int()).square().sum(-1).argmin(-1), lambda p,c: torch.cdist(p.double().flatten(0, 1), c.double()).argmin(-1).view(p.shape[:2])],
        [lambda p,c: (p.int()[:,:,None] - c.int()).abs().amax(-1).argmin(-1), lambda p,c: (p.int()[:,:,None] - c.int()).square().sum(-1).argmin(-1).int(),
         lambda p,c: (p.int()[:,:,None] - c.int()).square()[...,0].argmin(-1), lambda p,c: (p.int()[:,:,None] - c.int().flip(-1)).square().sum(-1).argmin(-1),
         lambda p,c: (p.int()[:,:,None] - c.int()).square().sum(-1).min(-1).values, lambda p,c: (p.int()[:,:,None] - c.int()).square().sum(-1).argmin(-1)*0]),
    ('03_images/01_translator', 'at_any_size'): (
        [lambda net,x,m: net(F.pad(x, (0, -x.shape[-1]%m, 0, -x.shape[-2]%m), mode='replicate'))[...,:x.shape[-2],:x.shape[-1]],
         lambda net,x,m: net(repeated(x, m))[...,:x.shape[-2],:x.shape[-1]]],
        [lambda net,x,m: net(F.pad(x, (0, -x.shape[-2]%m, 0, -x.shape[-1]%m), mode='replicate'))[...,:x.shape[-2],:x.shape[-1]],
         lambda net,x,m: net(x), lambda net,x,m: net(x[..., :x.shape[-2]//m*m, :x.shape[-1]//m*m]), lambda net,x,m: x,
         lambda net,x,m: F.interpolate(net(repeated(x, m)), size=x.shape[-2:]), lambda net,x,m: net(repeated(x, 2*m))[...,:x.shape[-2],:x.shape[-1]]]),
    ('03_images/01_translator', 'field'): (
        [lambda k,s: 1 + ((k-1)*torch.cat([s.new_ones(1), s[:-1].cumprod(0)])).cumsum(0), lambda k,s: torch.tensor(walked(k.tolist(), s.tolist()))],
        [lambda k,s: torch.tensor(walked(k.tolist(), s.tolist())[-1]), lambda k,s: torch.tensor(walked(k.tolist(), s.tolist())).float(),
         lambda k,s: torch.tensor(walked(k.tolist(), s.tolist())[::-1]), lambda k,s: (k*s).cumsum(0), lambda k,s: k.cumprod(0), lambda k,s: 1 + ((k//2)*(s.cumprod(0)//s)).cumsum(0)]),
    ('03_images/01_translator', 'least_squares'): (
        [lambda f,r,a,b: (.5*F.mse_loss(f, torch.full_like(f, a)) + .5*F.mse_loss(r, torch.full_like(r, b)), F.mse_loss(f, torch.full_like(f, b))),
         lambda f,r,a,b: [torch.stack([f-a, r-b]).square().mean(), (b-f).pow(2).mean()]],
        [lambda f,r,a,b: (torch.stack([f-a, r-b]).square().mean(), .5*(f-b).square().mean()), lambda f,r,a,b: torch.stack([f-a, r-b]).square().mean(),
         lambda f,r,a,b: (torch.stack([f-a, r-b]).square().mean(), (r-b).square().mean()), lambda f,r,a,b: ((f-a).mean()**2/2 + (r-b).mean()**2/2, (f-b).mean()**2),
         lambda f,r,a,b: (torch.stack([f-a, r-b]).square().mean(), -(f-a).square().mean()), lambda f,r,a,b: (.5*(r-b).square().mean(), (f-b).square().mean())]),
    ('03_images/01_translator', 'one_step'): (
        [lambda g,c,z,real: (((c*g*z)*g*z).mean() + ((c*real-1)*real).mean(), (2*(c*g*z-1)*c*z).mean()),
         lambda g,c,z,real: (torch.func.grad(lambda w: .5*((w*g*z)**2).mean() + .5*((w*real-1)**2).mean())(c), torch.func.grad(lambda w: ((c*w*z-1)**2).mean())(g))],
        [lambda g,c,z,real: (((c*g*z)*g*z).mean() + ((c*real-1)*real).mean(), (2*(c*g*z-1)*z).mean()), lambda g,c,z,real: (((c*g*z)*g*z).mean(), (2*(c*g*z-1)*c*z).mean()),
         lambda g,c,z,real: ((2*(c*g*z-1)*c*z).mean(), ((c*g*z)*g*z).mean() + ((c*real-1)*real).mean()), lambda g,c,z,real: (g*0, c*0),
         lambda g,c,z,real: (-((c*g*z)*g*z).mean() - ((c*real-1)*real).mean(), -(2*(c*g*z-1)*c*z).mean()),
         lambda g,c,z,real: (((c*g*z)*g*z).sum() + ((c*real-1)*real).sum(), (2*(c*g*z-1)*c*z).sum())]),
    ('02_motion/01_warp', 'warp_whole'): (
        [lambda f,m: warp(f[None], m[None])[0], lambda f,m: pick(f, *moved(m)), lambda f,m: torch.stack([pick(c[None], *moved(m))[0] for c in f])],
        [lambda f,m: warp(f[None], m[None].flip(1))[0], lambda f,m: warp(f[None], .9*m[None])[0], lambda f,m: f,
         lambda f,m: pick(f, moved(m)[0], moved(0*m)[1]), lambda f,m: pick(f, *(p.abs() for p in moved(m))), lambda f,m: pick(f, *moved(m)).double()]),
    ('02_motion/01_warp', 'warp_colleague'): (
        [lambda s,m: warp(s, m), lambda s,m: F.grid_sample(s, sides(s, m), padding_mode='border', align_corners=True),
         lambda s,m: F.grid_sample(s, (sides(s, m)*torch.tensor([1-1/s.shape[3], 1-1/s.shape[2]])), padding_mode='border', align_corners=False)],
        [lambda s,m: F.grid_sample(s, sides(s, m), mode='nearest', padding_mode='border', align_corners=True), lambda s,m: warp(s, m.flip(1)), lambda s,m: warp(s, 0*m),
         lambda s,m: F.grid_sample(s, sides(s, m), padding_mode='reflection', align_corners=True), lambda s,m: F.grid_sample(s, sides(s, m) + 1, align_corners=True),
         lambda s,m: warp(s.transpose(2, 3), m.flip(1).transpose(2, 3)).transpose(2, 3).flip(3)]),
    ('02_motion/01_warp', 'gets_covered'): (
        [lambda b,f: (f + warp(b, f)).norm(dim=1, keepdim=True)>1, lambda b,f: ((warp(b, f) + f)**2).sum(1)[:,None].sqrt()>1,
         lambda b,f: ~(torch.hypot(*(f + warp(b, f)).unbind(1))<=1)[:,None]],
        [lambda b,f: (f + warp(b, f)).norm(dim=1, keepdim=True)>=1, lambda b,f: (f + warp(b, f)).square().sum(1, keepdim=True)>4,
         lambda b,f: (f + warp(b, f)).sum(1, keepdim=True)>1, lambda b,f: ((f + warp(b, f)).norm(dim=1, keepdim=True)>1).float(),
         lambda b,f: (f + warp(b, -f)).norm(dim=1, keepdim=True)>1, lambda b,f: f.norm(dim=1, keepdim=True)>1]),
    ('02_motion/01_warp', 'compose'): (
        [lambda n,o: n + warp(o, n), lambda n,o: warp(o + 0, n).add(n)],
        [lambda n,o: warp(n + o, n), lambda n,o: n + warp(o, -n), lambda n,o: o + warp(n, n), lambda n,o: (n + warp(o, n))/2, lambda n,o: n + warp(o, n + o),
         lambda n,o: n + warp(o, n).flip(1)]),
    ('04_vid2vid/01_generator', 'blend_trust'): (
        [lambda r,w,t: torch.lerp(r, w, t), lambda r,w,t: w*t + r - r*t, lambda r,w,t: (torch.stack([w,r])*torch.stack([t,1-t])).sum(0)],
        [lambda r,w,t: w, lambda r,w,t: t*w + r, lambda r,w,t: t.round()*w + (1-t.round())*r, lambda r,w,t: t.sqrt()*w + (1-t.sqrt())*r,
         lambda r,w,t: (t.mean()*w + (1-t.mean())*r)]),
    ('04_vid2vid/01_generator', 'film'): (
        [lambda s,l,f: torch.stack(list(accumulate(l, lambda past,x: s(x, past), initial=f))[1:]), lambda s,l,f: recursive(s, l, f)],
        [lambda s,l,f: torch.stack([*accumulate(l, lambda past,x: s(x, past), initial=f)]), lambda s,l,f: recursive(s, l, f)[-1:], lambda s,l,f: l,
         lambda s,l,f: torch.stack([s(x, p) for x,p in zip(l, torch.cat([f[None], l]))]), lambda s,l,f: recursive(s, l, torch.zeros_like(f)-1),
         lambda s,l,f: torch.stack([*accumulate(l, lambda past,x: s(past, s(x, past)), initial=f)][1:])]),
    ('04_vid2vid/02_training', 'matching'): (
        [lambda f,r: sum(F.l1_loss(a, b.detach()) for a,b in zip(f[:-1], r[:-1]))/2, lambda f,r: sum((a - b.data).abs().mean() for a,b in zip(f[:2], r[:2]))*.5],
        [lambda f,r: torch.cat([(a - b.detach()).abs().flatten() for a,b in zip(f[:-1], r[:-1])]).mean(), lambda f,r: F.l1_loss(f[1], r[1].detach()) + 0*f[0].sum(),
         lambda f,r: sum(F.l1_loss(a.detach(), b) for a,b in zip(f[:-1], r[:-1]))/2, lambda f,r: sum(F.l1_loss(a, b.detach()) for a,b in zip(f[:-1], r[:-1]))/3,
         lambda f,r: sum((a - b.detach()).mean().abs() for a,b in zip(f[:-1], r[:-1]))/2]),
    ('04_vid2vid/02_training', 'two_steps'): (
        [lambda w,f: w*f.sum(), lambda w,f: torch.autograd.grad((v*(v*f).detach()).sum(), v)[0] if (v := w.clone().requires_grad_()) is not None else None],
        [lambda w,f: (w*f).sum()+w, lambda w,f: w*w*f.sum(), lambda w,f: (w*f).mean(), lambda w,f: (w*f).detach(), lambda w,f: (w*f).abs().sum()]),
    ('07_gpu/02_health', 'excess'): (
        [lambda m,r: (m.abs()>.98).float().mean() - (r.abs()>.98).float().mean(), lambda m,r: ((m>.98)|(m<-.98)).sum()/m.numel() - ((r>.98)|(r<-.98)).sum()/r.numel(),
         lambda m,r: torch.stack([x.abs().gt(.98).float().mean() for x in (m,r)]).diff().neg()[0]],
        [lambda m,r: (m.abs()>.5).float().mean() - (r.abs()>.5).float().mean(), lambda m,r: ((m.abs()>.98) & (r.abs()<=.98)).float().mean(),
         lambda m,r: ((m.abs()>.98).float().mean() - (r.abs()>.98).float().mean()).clamp_min(.01), lambda m,r: m.mean() - r.mean(),
         lambda m,r: (m.abs()>=1).float().mean() - (r.abs()>=1).float().mean()]),
    ('07_gpu/02_health', 'streak'): (
        [lambda f: torch.tensor([*accumulate(f.tolist(), lambda c,x: (c+1)*x, initial=0)][1:]),
         lambda f: torch.arange(1, len(f)+1) - torch.where(f, 0, torch.arange(1, len(f)+1)).cummax(0).values],
        [lambda f: f.flip(0).long().cumsum(0), lambda f: torch.tensor([*accumulate(f.tolist(), lambda c,x: (c+1)*x, initial=0)][:-1]),
         lambda f: torch.tensor([*accumulate(f.tolist(), lambda c,x: min((c+1)*x, 2), initial=0)][1:]), lambda f: f.long().cummax(0).values,
         lambda f: torch.tensor([*accumulate(f.tolist(), lambda c,x: (c+1)*x, initial=1)][1:])]),
    ('07_gpu/02_health', 'rms'): (
        [lambda x: x.float().square().mean().sqrt(), lambda x: (x.float()/256).square().mean().sqrt()*256, lambda x: x.float().norm()/x.numel()**.5],
        [lambda x: x.square().mean().sqrt().float(), lambda x: x.float().std(), lambda x: x.float().max(), lambda x: x.float().square().mean().sqrt()+1,
         lambda x: (x.float()/256).square().mean().sqrt()]),
}

# ---- the page's own check

def source(cell): return re.sub(r'(?m)^\s*[%!?].*$', 'pass', cell['source'])

@lru_cache(None)
def statements(path): return [s for c in code_cells(read_page(path)) if not c['source'].startswith('%%') for s in ast.parse(source(c)).body]

def check_of(statement): # the call check(NAME, ...) or check(WRAPPER(NAME), ...) in it, or None
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and ast.unparse(n.func)=='check' and n.args]
    return calls[0] if calls and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)) else None

def reader(call): # name of the reader's function
    first = call.args[0]
    return (first.args[0] if isinstance(first, ast.Call) else first).id

def checks(path): # function name -> (place of its check, the call)
    return {reader(call): (k,call) for k,s in enumerate(statements(path)) if (call := check_of(s))}

def defined(path, name): return next((s for s in statements(path) if isinstance(s, ast.FunctionDef) and s.name==name), None)

def stored(node): return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

def binds(s):
    if isinstance(s, (ast.FunctionDef, ast.ClassDef)): return {s.name}
    if isinstance(s, (ast.Import, ast.ImportFrom)): return {(a.asname or a.name).split('.')[0] for a in s.names}
    return stored(s)

OWN = ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp  # what has names of its own

def uses(node): # names that `node` takes from outside of it
    inner = set().union(*map(uses, ast.iter_child_nodes(node)))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load): inner.add(node.id)
    return inner - (stored(node) | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}) if isinstance(node, OWN) else inner

def needed(path, names, before): # the statements that `names` rest on, in the page's order
    kept, names = [], set(names)
    for s in reversed(statements(path)[:before]):
        if binds(s) & names and not check_of(s):
            kept.insert(0, s)
            names |= uses(s)
    return kept

def run(path, stmts):
    space = {'__name__': 'page'}
    torch.manual_seed(0)
    exec(compile(ast.Module(stmts, []), str(path), 'exec'), space)
    return space

def evaluate(node, space): return eval(compile(ast.Expression(node), 'check', 'eval'), space)

@lru_cache(None)
def judge(lesson, name): # the call and all that it needs, but for the reader's function
    path = LESSONS[lesson]
    k,call = checks(path)[name]
    return call, run(path, [s for s in needed(path, uses(call)-{name}, k) if s is not defined(path, name)])

def verdict(lesson, name, attempt, capsys, whole=False): # (what the page's check says of `attempt`, what it prints)
    "`whole` is for a hint or a reference, which already stands in the page's wrapper"
    call,space = judge(lesson, name)
    if whole: call = ast.fix_missing_locations(ast.Call(call.func, [ast.Name('attempt_', ast.Load()), *call.args[1:]], call.keywords))
    torch.manual_seed(0)
    capsys.readouterr()
    return evaluate(call, {**space, name: attempt, 'attempt_': attempt}), capsys.readouterr().out

def keyword(lesson, name, key):
    call,space = judge(lesson, name)
    node = next((k.value for k in call.keywords if k.arg==key), None)
    return evaluate(node, space) if node else None

def hints(lesson, name): return keyword(lesson, name, 'hints') or {}

def solution(lesson, name): # the function as the solutions give it
    path = ROOT/'nbs'/'solutions'/f'{lesson}.ipynb'
    at = statements(path).index(defined(path, name))
    return run(path, [*needed(path, uses(defined(path, name)), at), defined(path, name)])[name]

EXERCISES = [(lesson, name) for lesson,path in LESSONS.items() for name in checks(path)]
each_exercise = pytest.mark.parametrize('lesson,name', EXERCISES)
each_lesson = pytest.mark.parametrize('lesson', sorted({lesson for lesson,_ in EXERCISES}))

# ---- what each exercise must do

def test_every_exercise_has_its_answers_here():
    assert set(EXERCISES)==set(ANSWERS), 'ANSWERS and the lessons differ: give each check two right and some wrong answers'

@each_exercise
def test_right_answers_pass(lesson, name, capsys):
    answers = ANSWERS[lesson,name][0]
    assert len(answers)>=2
    for k,attempt in enumerate(answers):
        right,said = verdict(lesson, name, attempt, capsys)
        assert right is True, f'answer {k}: {said}'

@each_exercise
def test_reference_and_solution_pass(lesson, name, capsys):
    for attempt,whole in ((keyword(lesson, name, 'ref'),True), (solution(lesson, name),False)):
        right,said = verdict(lesson, name, attempt, capsys, whole)
        assert right is True, said

@each_exercise
def test_wrong_answers_do_not_pass(lesson, name, capsys):
    wrong = ANSWERS[lesson,name][1]
    assert len(wrong)>=5
    for k,attempt in enumerate(wrong): assert verdict(lesson, name, attempt, capsys)[0] is False, f'wrong answer {k} passes'

@each_exercise
def test_known_mistakes_are_named(lesson, name, capsys):
    assert hints(lesson, name), 'no hints'
    for says,attempt in hints(lesson, name).items():
        right,said = verdict(lesson, name, attempt, capsys, whole=True)
        assert right is False and says in said, f'{says!r} is not what is said: {said}'
        assert sum(other in said for other in hints(lesson, name))==1

@each_exercise
def test_hints_do_not_follow_the_reader(lesson, name):
    "A hint that is the reader's own function would name its mistake for whatever the reader writes next"
    call,_ = judge(lesson, name)
    assert [n.id for n in ast.walk(call) if isinstance(n, ast.Name)].count(name)==1
    assert name not in {u for s in needed(LESSONS[lesson], uses(call)-{name}, checks(LESSONS[lesson])[name][0]) for u in uses(s)}

def blank(*_): raise NotImplementedError
def nothing(*_): return None
def raises(*_): return undefined_name

@each_exercise
@pytest.mark.parametrize('attempt', [blank, nothing])
def test_blank_is_not_yet(lesson, name, attempt, capsys):
    right,said = verdict(lesson, name, attempt, capsys, whole=attempt is nothing)
    assert right is False and said.startswith('not yet') and 'looks like' not in said

@each_exercise
def test_wrong_shape_and_nonsense_do_not_pass(lesson, name, capsys):
    "More axes, fewer, too little, an error, or a text where a tensor is wanted"
    ref = keyword(lesson, name, 'ref')
    first = lambda x: x[0] if isinstance(x, (tuple,list)) else torch.as_tensor(x)
    for change in (lambda x: first(x)[None], lambda x: first(x).flatten()[:-1], lambda x: first(x).double().mean(), lambda x: 'a text'):
        right,said = verdict(lesson, name, lambda *a: change(ref(*a)), capsys, whole=True)
        assert right is False and said.startswith('case '), said
    right,said = verdict(lesson, name, raises, capsys)
    assert right is False and 'NameError' in said

@each_exercise
def test_page_starts_unsolved(lesson, name, capsys):
    "A stub is blank; code to be repaired is a known mistake"
    path = LESSONS[lesson]
    start = defined(path, name)
    space = run(path, [*needed(path, uses(start), statements(path).index(start)), start])
    right,said = verdict(lesson, name, space[name], capsys)
    assert right is False and (said.startswith('not yet') or 'It looks like this' in said), said

@each_exercise
def test_cases_stay_as_they_were(lesson, name, capsys):
    "A function that writes into its arguments gets no second chance from it"
    seen,ref = [],keyword(lesson, name, 'ref')
    def empty(x):
        if isinstance(x, (list,tuple)): [empty(y) for y in x]
        if isinstance(x, torch.Tensor) and not x.requires_grad: seen.append(x.zero_())
    def spoil(*args):
        want = deepcopy(ref(*args))  # it may be a view of an argument
        empty(args)
        return want
    assert verdict(lesson, name, spoil, capsys, whole=True)[0] is True and seen

# ---- what each lesson must have

def markdown(path): return [c['source'] for c in read_page(path)['cells'] if c['cell_type']=='markdown']

@each_lesson
def test_lesson_has_three_exercises_with_dots_and_minutes(lesson):
    turns = [m for m in markdown(LESSONS[lesson]) if re.search(r'(?m)^## Your turn', m)]
    assert len(turns)>=3 and any('find the bug' in t for t in turns) and any('open-ended' in t for t in turns)
    for turn in turns: assert re.search(r'(?m)^[●○]{4} about \d+ minutes', turn), turn[:80]

@each_lesson
def test_lesson_leads_to_solutions_that_exist(lesson):
    there = ROOT/'nbs'/'solutions'/f'{lesson}.ipynb'
    links = [l for m in markdown(LESSONS[lesson]) for l in re.findall(r'\]\(([^)]*solutions/[^)]*)\)', m)]
    assert there.exists() and len(links)>=3 and {(LESSONS[lesson].parent/l).resolve() for l in links}=={there}

@each_lesson
def test_solutions_assert_every_check_and_export_nothing(lesson):
    cells = [c['source'] for c in code_cells(read_page(ROOT/'nbs'/'solutions'/f'{lesson}.ipynb'))]
    for name in checks(LESSONS[lesson]): assert any(re.search(rf'(?m)^assert check\((\w+\()?{name}\)?,', c) for c in cells), name
    assert not any('#|' in c or 'NotImplementedError' in c for c in cells)
    assert sum('assert' in c for c in cells)>len(checks(LESSONS[lesson])), 'the open-ended exercise has a threshold too'
