"A browser that never heard of us plays our films: right size, right length, right picture"
import functools, http.server, threading
import pytest, torch
from v2v_tutorial.clips.clip import write_film

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
FPS,FRAMES = 25,10

def film(h, w):
    "Left half red, right half blue, brighter with time"
    frames = torch.full((FRAMES,3,h,w), -1.)
    rise = torch.linspace(-.5, 1, FRAMES)[:,None,None]
    frames[:,0,:,:w//2],frames[:,2,:,w//2:] = rise,rise
    return frames

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def served(tmp_path_factory):
    "A folder and its address on a loopback port"
    folder = tmp_path_factory.mktemp('films')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()

LOAD = '''url => new Promise(done => {
  const v = document.createElement('video')
  const tell = why => done({why, ready: v.readyState, w: v.videoWidth, h: v.videoHeight, s: v.duration, error: v.error?.message})
  v.muted = true; v.preload = 'auto'
  v.oncanplaythrough = () => tell('loaded'); v.onerror = () => tell('error')
  setTimeout(() => tell('timeout'), 15000)
  v.src = url; document.body.replaceChildren(v)
})'''

# The small server can't answer range requests, which seeking needs; a film held in memory can be sought
SEEK = '''async ([url, seconds]) => {
  const v = document.createElement('video'), c = document.createElement('canvas')
  const wait = name => new Promise((done, fail) => { v.addEventListener(name, done, {once: true}); setTimeout(() => fail(name), 15000) })
  const loaded = wait('loadeddata')
  v.src = URL.createObjectURL(await (await fetch(url)).blob()); await loaded
  const sought = wait('seeked')
  v.currentTime = seconds; await sought
  ;[c.width, c.height] = [v.videoWidth, v.videoHeight]
  const g = c.getContext('2d'); g.drawImage(v, 0, 0)
  return [.25, .75].map(x => [...g.getImageData(Math.floor(x*c.width), c.height >> 1, 1, 1).data.slice(0, 3)])
}'''

def even(n): return n+n%2

def play(tab, served, name):
    "What the browser says of a film"
    tab.goto(served[1]+'/')
    return tab.evaluate(LOAD, f'{served[1]}/{name}')

@pytest.mark.parametrize('h,w', [(64,96), (63,97), (64,51), (33,32)])
def test_film_plays(tab, served, h, w):
    write_film(served[0]/f'{h}x{w}.mp4', film(h, w), fps=FPS)
    got = play(tab, served, f'{h}x{w}.mp4')
    assert got['ready']>=2, got
    assert (got['h'],got['w'])==(even(h),even(w)), got
    assert abs(got['s']-FRAMES/FPS)<=1/FPS+1e-3, got

def test_film_shows_what_was_written(tab, served):
    "Colours and time: red stays left, blue stays right, the end is brighter than the start"
    write_film(served[0]/'colours.mp4', film(64, 96), fps=FPS)
    assert play(tab, served, 'colours.mp4')['ready']>=2
    first,last = (tab.evaluate(SEEK, [f'{served[1]}/colours.mp4', s]) for s in (.5/FPS, (FRAMES-.5)/FPS))
    for (r,g,b),own in zip(last, (0,2)):
        assert max((r,g,b))==(r,g,b)[own] and (r,g,b)[own]>200, last
    assert first[0][0]<last[0][0]-60 and first[1][2]<last[1][2]-60, (first, last)

def test_broken_film_is_noticed(tab, served):
    "The check can fail: a file that is no film, and a codec that browsers don't play"
    (served[0]/'broken.mp4').write_bytes(b'no film'*100)
    assert play(tab, served, 'broken.mp4')['ready']<2
    import cv2, numpy as np
    out = cv2.VideoWriter(str(served[0]/'mp4v.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), FPS, (96,64))
    for _ in range(FRAMES): out.write(np.zeros((64,96,3), np.uint8))
    out.release()
    assert play(tab, served, 'mp4v.mp4')['ready']<2
