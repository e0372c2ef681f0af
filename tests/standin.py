"A demo that is small and known, and on demand wrong in one way: what the reader of tests/browser.py is tried on"
import json
import numpy as np

FAULT = ''  # 'blank', 'pixel', 'raise' or 'silent'
START = dict(x=.5, y=.5, t=0, show='result')

def frame(state):
    "A disk at (x, y) on a ramp: (72,96,3) uint8"
    ys, xs = np.mgrid[:72,:96]
    picture = np.stack([xs*2, ys*3, np.full_like(xs, 90)], -1).astype(np.uint8)
    picture[(xs-96*state['x'])**2+(ys-72*state['y'])**2<100] = 255
    return picture

JS = '''
function render({model, el}) {
  const canvas = Object.assign(document.createElement('canvas'), {className: 'v2v-canvas', tabIndex: 0, width: 96, height: 72})
  const error = Object.assign(document.createElement('p'), {className: 'v2v-error', hidden: true})
  canvas.style.width = '288px'
  canvas.dataset.drawn = 0
  el.append(canvas, error)
  let state = START, busy = false, waiting = false, g = canvas.getContext('2d')
  const ask = () => { if (busy) { waiting = true; return }; busy = true; waiting = false; model.send(state) }
  const go = (x, y) => { state = {...state, x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y))}; ask() }
  model.on('msg:custom', (answer, buffers) => {
    busy = false
    error.hidden = !answer.error
    error.textContent = answer.error ?? ''
    if (!answer.error) {
      const b = buffers[0]
      const put = () => {
        g.putImageData(new ImageData(new Uint8ClampedArray(b.buffer, b.byteOffset, b.byteLength), 96, 72), 0, 0)
        canvas.dataset.state = JSON.stringify(answer.state)
        canvas.dataset.drawn = +canvas.dataset.drawn + 1
      }
      if (FAULT=='blank') { g.clearRect(0, 0, 96, 72); setTimeout(put, 50) } else put()
    }
    if (waiting) ask()
  })
  canvas.onpointermove = e => { if (e.buttons) go(e.offsetX/canvas.clientWidth, e.offsetY/canvas.clientHeight) }
  canvas.onkeydown = e => {
    const step = {ArrowLeft: [-.05, 0], ArrowRight: [.05, 0], ArrowUp: [0, -.05], ArrowDown: [0, .05]}[e.key]
    if (step) { e.preventDefault(); go(state.x+step[0], state.y+step[1]) }
  }
  ask()
}
export default {render}
'''

def answer(state):
    "What is sent back: a message and its buffers"
    if FAULT=='raise' and state['x']!=START['x']: raise ValueError(f"x is {state['x']:.2f}, which the stand-in refuses")
    picture = frame(state)
    if FAULT=='pixel': picture = np.roll(picture, 4, 1)
    if FAULT=='silent': state = START
    return dict(state=state), [np.dstack([picture, np.full_like(picture[...,:1], 255)]).tobytes()]

def script(): return JS.replace('FAULT', repr(FAULT)).replace('START', json.dumps(START))
