"""Recorded motion: BVH and DeepMimic files become dances that anybody in our world can dance"""
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .clip import InputError
from .moves import JOINTS, Pose, spin, _unit

@dataclass(frozen=True)
class Skeleton:
    "What a motion file holds: joints that hang from each other, and how each turns and moves"
    names:list
    parents:list           # index of the joint that each hangs from, -1 for the root; parents come first
    offsets:np.ndarray     # (T,J,3) place of each joint in its parent's frame
    rotations:np.ndarray   # (T,J,3,3) of each joint against its parent
    fps:float

    def forward(self): # places (T,J,3) and rotations (T,J,3,3) in the world
        "Forward kinematics: a joint turns all that hangs from it"
        places, world = self.offsets.copy(), self.rotations.copy()
        for j,p in enumerate(self.parents):
            if p<0: continue
            places[:,j] = places[:,p] + np.einsum('tij,tj->ti', world[:,p], self.offsets[:,j])
            world[:,j] = world[:,p] @ self.rotations[:,j]
        return places, world

# ---- BVH

class _Words: # the words of a file, one after the other
    def __init__(self, path, text): self.path, self.words, self.n = path, text.split(), 0
    def left(self): return self.n<len(self.words)

    def next(self, *wanted): # the next word; one of these, if any are given
        word = self.words[self.n] if self.left() else None
        if word is None: raise InputError(f'{self.path}: the file ends where {" or ".join(wanted) or "more"} was expected; it is cut short')
        if wanted and word.upper() not in wanted: raise InputError(f'{self.path}: {word[:30]!r} stands where {" or ".join(wanted)} was expected; this is no BVH file')
        self.n += 1
        return word

    def number(self, what, kind=float):
        word = self.next()
        try: return kind(word)
        except ValueError: raise InputError(f'{self.path}: {word[:30]!r} stands where {what} was expected; give a number') from None

_CHANNELS = [f'{axis}{kind}' for kind in ('POSITION', 'ROTATION') for axis in 'XYZ']

def _hierarchy(words): # -> names, parents, offsets, channels of each joint
    joints, open_ = [], []
    words.next('HIERARCHY')
    kind = words.next('ROOT').upper()
    while True:
        name = words.next()
        joints.append([name if kind!='END' else f'{joints[open_[-1]][0]} end', open_[-1] if open_ else -1, None, []])
        open_.append(len(joints)-1)
        words.next('{')
        words.next('OFFSET')
        joints[-1][2] = [words.number(f'the offset of {name}') for _ in range(3)]
        if kind!='END':
            words.next('CHANNELS')
            joints[-1][3] = [words.next(*_CHANNELS).upper() for _ in range(words.number(f'how many channels {name} has', int))]
        while (kind := words.next('JOINT', 'END', '}').upper())=='}':
            open_.pop()
            if not open_: return [list(column) for column in zip(*joints)]

def _rows(words, count): # the numbers of the MOTION part -> (T,count), frames a second
    words.next('MOTION')
    words.next('FRAMES:')
    frames = words.number('the number of frames', int)
    words.next('FRAME')
    words.next('TIME:')
    step = words.number('the time of a frame')
    if frames<1: raise InputError(f'{words.path}: {frames} frames; a motion needs at least one')
    if not 1e-4<step<10: raise InputError(f'{words.path}: a frame lasts {step} s; give something between 0.0001 and 10')
    have = len(words.words)-words.n
    if have!=frames*count:
        raise InputError(f'{words.path}: {frames} frames of {count} channels are {frames*count} numbers, and the file has {have}; it is cut short or its header is wrong')
    return np.array([words.number('a channel') for _ in range(have)]).reshape(frames, count), 1/step

def parse_bvh(text:str, path='BVH')->Skeleton: # `path` is what errors call it
    "Read a BVH file's text: angles in degrees, turned in the order of the channels; positions stand in for the offset"
    words = _Words(path, text)
    names, parents, offsets, channels = _hierarchy(words)
    rows, fps = _rows(words, sum(map(len, channels)))
    _finite(path, rows)
    places = np.tile(np.array(offsets), (len(rows), 1, 1))
    turns, n = np.tile(np.eye(3), (*places.shape[:2], 1, 1)), 0
    for j,own in enumerate(channels):
        for channel in own:
            axis, values = 'XYZ'.index(channel[0]), rows[:,n]
            if channel.endswith('POSITION'): places[:,j,axis] = values
            else: turns[:,j] = turns[:,j] @ np.stack([spin(axis, v) for v in values])
            n += 1
    return Skeleton(names, parents, places, turns, fps)

def _finite(path, rows):
    bad = ~np.isfinite(rows)
    if bad.any(): raise InputError(f'{path}: frame {int(np.argwhere(bad)[0][0])} holds NaN or infinity; repair or cut it')

# ---- DeepMimic

# joints, parents, offsets in metres and numbers a frame of the humanoid in these files: a quaternion (w first), or the angle of a hinge about z
_HUMANOID = [('hips', -1, (0, 0, 0), 4), ('chest', 0, (0, .236151, 0), 4), ('neck', 1, (0, .223894, 0), 4),
             ('righthip', 0, (0, 0, .084887), 4), ('rightknee', 3, (0, -.421546, 0), 1), ('rightankle', 4, (0, -.40987, 0), 4),
             ('rightshoulder', 1, (-.02405, .2435, .18311), 4), ('rightelbow', 6, (0, -.274788, 0), 1),
             ('lefthip', 0, (0, 0, -.084887), 4), ('leftknee', 8, (0, -.421546, 0), 1), ('leftankle', 9, (0, -.40987, 0), 4),
             ('leftshoulder', 1, (-.02405, .2435, -.18311), 4), ('leftelbow', 11, (0, -.274788, 0), 1)]
_TIPS = [('head', 2, (.01, .17, 0)), ('rightwrist', 7, (0, -.258947, 0)), ('leftwrist', 12, (0, -.258947, 0)),
         ('righttoe', 5, (.16, -.04, 0)), ('lefttoe', 10, (.16, -.04, 0))]   # ends, which don't turn

def _quaternions(q): # (T,4) as w, x, y, z -> (T,3,3)
    w, x, y, z = _unit(q).T
    return np.stack([1-2*(y*y+z*z), 2*(x*y-w*z), 2*(x*z+w*y), 2*(x*y+w*z), 1-2*(x*x+z*z), 2*(y*z-w*x),
                     2*(x*z-w*y), 2*(y*z+w*x), 1-2*(x*x+y*y)], 1).reshape(-1, 3, 3)

def parse_deepmimic(text:str, path='motion')->Skeleton:
    "Read a motion of the DeepMimic humanoid: JSON with Frames of 44 numbers, time, place of the hips, then rotations"
    try: frames = json.loads(text)['Frames']
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f'{path}: this is no motion in JSON with "Frames" ({type(error).__name__}: {error}); give a BVH or a DeepMimic file') from None
    if not isinstance(frames, list) or not frames: raise InputError(f'{path}: no frames; a motion needs at least one')
    width = 4 + sum(joint[3] for joint in _HUMANOID)
    bad = [n for n,f in enumerate(frames) if not isinstance(f, list) or len(f)!=width]
    if bad: raise InputError(f'{path}: frame {bad[0]} has {len(frames[bad[0]]) if isinstance(frames[bad[0]], list) else "no"} numbers; the humanoid needs {width}')
    try: rows = np.array(frames, float)
    except (ValueError, TypeError): raise InputError(f'{path}: a frame holds something that is no number; repair or cut it') from None
    _finite(path, rows)
    if not 1e-4<rows[0,0]<10: raise InputError(f'{path}: frame 0 lasts {rows[0,0]} s; give something between 0.0001 and 10')
    joints = _HUMANOID + [(*tip, 0) for tip in _TIPS]
    places = np.tile(np.array([j[2] for j in joints], float), (len(rows), 1, 1))
    turns, n = np.tile(np.eye(3), (*places.shape[:2], 1, 1)), 4
    places[:,0] = rows[:,1:4]
    for j,(_, _, _, count) in enumerate(joints):
        if count==4: turns[:,j] = _quaternions(rows[:,n:n+4])
        if count==1: turns[:,j] = np.stack([spin(2, v) for v in np.degrees(rows[:,n])])
        n += count
    return Skeleton([j[0] for j in joints], [j[1] for j in joints], places, turns, 1/rows[0,0])

# ---- whose joint is it?

# what our joints are called in files, the likelier first; sides are `right` and `left`
_CALLED = dict(hips='hips pelvis root hip', chest='spine1 chest spine2 torso spine lowerback abdomen spine3', neck='neck neck1', head='head headend neckend',
               shoulder='arm uparm upperarm shldr shoulder', elbow='forearm lowerarm lowarm elbow', wrist='hand wrist forearmend elbowend',
               hip='upleg upperleg thigh hip', knee='leg lowerleg lowleg shin calf knee', ankle='foot ankle', toe='toebase toe toes ball footend ankleend')

def _plain(name): # 'mixamorig:RightUpLeg', 'R_UpLeg', 'upleg.R', 'rUpLeg' -> 'rightupleg'
    name = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name.split(':')[-1]).lower()
    words = [w for w in re.split(r'[^a-z0-9]+', name) if w]
    sides = [dict(r='right', l='left').get(w, w) for w in words if w in ('r', 'l', 'right', 'left')]
    rest = ''.join(w for w in words if w not in ('r', 'l', 'right', 'left'))
    return (sides[0] if sides else '') + rest

def _match(skeleton, path): # index in the file of each of JOINTS
    known, out = {}, []
    for n,name in enumerate(skeleton.names): known.setdefault(_plain(name), n)
    for joint in JOINTS:
        side, plain = (dict(r='right', l='left')[joint[0]], joint[1:]) if joint[1:] in _CALLED else ('', joint)
        found = [known[side+name] for name in _CALLED[plain].split() if side+name in known]
        if not found: raise InputError(f'{path}: no joint of the file is our {side+" " if side else ""}{plain}; rename one to '
                                       f'{side.title()}{_CALLED[plain].split()[0].title()} (it has {", ".join(skeleton.names[:12])} …)')
        out.append(found[0])
    return out

# ---- a dance

def _square(left, up): # frames (T,3,3) with columns left, up, front from two directions; `up` gives way
    left = _unit(left)
    up = _unit(up-left*(up*left).sum(-1, keepdims=True))
    return np.stack([left, up, np.cross(left, up)], -1)

class Recording:
    "A dance from a file: joints over time, which `pose` turns into a pose that any build can take; at its end it runs back"
    def __init__(self, joints, heads, fps, film_fps=25.): # (T,18,3) y up in any unit, (T,3,3) frames of the head, frames a second of file and film
        self.joints, self.heads, self.step = joints, heads, fps/film_fps
        at = {name: joints[:,k] for k,name in enumerate(JOINTS)}
        length = lambda a, b: np.linalg.norm(at[a]-at[b], axis=-1)
        self.leg = float(np.mean([np.median(length(f'{s}hip', f'{s}knee') + length(f'{s}knee', f'{s}ankle')) for s in 'rl']))
        self.floor = float(np.quantile(np.minimum(at['rankle'][:,1], at['lankle'][:,1]), .1))   # where a standing ankle is

    def __len__(self): return max(1, int((len(self.joints)-1)/self.step)+1)   # frames of film until it runs back

    def _at(self, t): # joints (18,3) and frame of the head between two frames of the file
        last = len(self.joints)-1
        n = abs((t*self.step+last) % (2*last)-last) if last else 0.
        a = min(int(n), max(last-1, 0))
        b, e = min(a+1, last), n-a
        head = (1-e)*self.heads[a] + e*self.heads[b]
        return (1-e)*self.joints[a] + e*self.joints[b], _square(head[:,0], head[:,1])

    def pose(self, t:float)->Pose:
        "The pose at time `t` in frames of film: lengths in legs of whoever was recorded"
        joints, head = self._at(t)
        at = {name: (joints[k]-[0, self.floor, 0])/self.leg for k,name in enumerate(JOINTS)}
        pair = lambda name: np.stack([at['r'+name], at['l'+name]])
        pelvis = _square(at['lhip']-at['rhip'], at['chest']-at['hips'])
        chest = _square(at['lshoulder']-at['rshoulder'], at['neck']-at['chest'])
        arms = np.stack([_unit(pair('elbow')-pair('shoulder')), _unit(pair('wrist')-pair('elbow'))], 1)
        knees = pair('knee') - (pair('hip')+pair('ankle'))/2 + .02*pelvis[:,2]       # a straight leg bends to the front
        middle = (at['rhip']+at['lhip'])/2
        return Pose(middle, pelvis, chest, head, arms, pair('ankle'), knees, _unit(pair('toe')-pair('ankle')))

def _smoothed(path, n): # (T,2) -> the same, averaged over n frames
    n = min(n, len(path))
    padded = np.pad(path, ((n//2, n-1-n//2), (0, 0)), mode='edge')
    return np.stack([np.convolve(padded[:,k], np.ones(n)/n, mode='valid') for k in (0, 1)], 1)

def _faced(places, k): # frames (T,3,3) of the trunk
    return _square(places[:,k['lhip']]-places[:,k['rhip']], places[:,k['neck']]-places[:,k['hips']])

def recording(
    skeleton:Skeleton,
    path='motion',   # what errors call it
    view:float=0., up:str='y', travel:float=1., # as in read_motion
)->Recording:
    "Find our joints in a skeleton, turn it to the camera and put it in the middle"
    k = dict(zip(JOINTS, _match(skeleton, path)))
    unturned = replace(skeleton, offsets=skeleton.offsets[:1], rotations=np.tile(np.eye(3), (1, len(skeleton.names), 1, 1)))
    rest, (places, world) = _faced(unturned.forward()[0], k)[0], skeleton.forward()
    upright = np.eye(3) if up=='y' else spin(0, -90)
    front = (upright @ _faced(places, k).sum(0))[:,2]            # where the dancer looks most of the time
    turn = spin(1, -view-np.degrees(np.arctan2(front[0], front[2]))) @ upright
    joints, heads = (places @ turn.T)[:,[k[name] for name in JOINTS]], turn @ world[:,k['head']] @ rest
    if not np.linalg.norm(joints[:,JOINTS.index('rhip')]-joints[:,JOINTS.index('rankle')], axis=1).min()>0:
        raise InputError(f'{path}: a leg has no length; the offsets of the joints are missing')
    hips = joints[:,0,[0,2]]
    joints[:,:,[0,2]] -= (np.median(hips, 0) + (1-travel)*(_smoothed(hips, round(skeleton.fps))-np.median(hips, 0)))[:,None]
    return Recording(joints, heads, skeleton.fps)

def read_motion(
    path,            # a BVH file, or a DeepMimic motion (JSON, usually *.txt)
    view:float=0.,   # degrees by which the camera walks round: 0 sees the dancer's front, 90 the left side
    up:str='y',      # the axis that points up in the file, y or z
    travel:float=1., # how much of the wandering about stays, 1 all, 0 none
)->Recording: # a motion for `Dance(dance=...)`
    "Read recorded motion, turned to the camera and put in its middle; a file that can't be used raises `InputError`"
    if up not in ('y', 'z'): raise InputError(f'{path}: up={up!r}; the axis that points up is y or z')
    if not 0<=travel<=1: raise InputError(f'{path}: travel={travel!r} will not do; give 0 (on the spot) to 1')
    try: text = Path(path).read_text(encoding='utf-8', errors='replace')
    except OSError as error: raise InputError(f'{path}: can\'t be read ({error.strerror}); give a BVH or a DeepMimic file') from None
    skeleton = (parse_bvh if text.lstrip()[:9].upper()=='HIERARCHY' else parse_deepmimic)(text, path)
    return recording(skeleton, path, view, up, travel)
