// A grid of pictures, each a button, some with a second one below. Texts are set as text alone; cells that have not
// changed are kept, with their focus.
const kept = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".grid")
  const state = kept.get(grid) ?? { cells: new Map(), here: null }
  kept.set(grid, state)
  state.choose = key => setTriggerValue("clicked", key)
  state.act = key => setTriggerValue("acted", key)
  grid.style.setProperty("--least", `${data.min}px`)
  grid.setAttribute("aria-label", data.label)

  const cells = new Map()
  for (const item of data.items) {
    const text = JSON.stringify(item)
    const old = state.cells.get(item.key)
    cells.set(item.key, old?.text === text ? old : made(text, item, state))
  }
  const held = [...state.cells].find(([, { action }]) => action && action === action.getRootNode().activeElement)
  state.cells = cells
  const wanted = [...cells.values()].map(cell => cell.root)
  if (wanted.length !== grid.children.length || wanted.some((root, n) => root !== grid.children[n]))
    grid.replaceChildren(...wanted)
  const again = held && cells.get(held[0])
  if (again && again !== held[1]) (again.action ?? again.button).focus()  // its words have changed, its place has not
  for (const [key, { button }] of cells) button.setAttribute("aria-pressed", String(key === data.selected))

  if (!cells.has(state.here)) state.here = cells.has(data.selected) ? data.selected : data.items[0]?.key
  turn(state, state.here)
  grid.onkeydown = event => moved(event, grid, state)
}

// One cell alone is reached by Tab; the arrow keys lead on from there.
function turn(state, key) {
  state.here = key
  for (const [other, { button, action }] of state.cells) {
    button.tabIndex = other === key ? 0 : -1
    if (action) action.tabIndex = button.tabIndex
  }
}

// A cell: its picture as a button, and where there is something to do, a second button below it.
function made(text, item, state) {
  const button = picture(item, state)
  if (!item.action) return { text, root: button, button }
  const root = element("div", "card")
  const action = element("button", "action", item.action)
  action.type = "button"
  action.title = item.action
  action.setAttribute("aria-label", `${item.action}: ${item.alt}`)
  action.onclick = () => {
    turn(state, item.key)
    state.act(item.key)
  }
  root.append(button, action)
  return { text, root, button, action }
}

function picture(item, state) {
  const button = element("button", "cell")
  button.type = "button"
  button.dataset.key = item.key
  const said = item.alt.startsWith(item.caption) ? [item.badge, item.alt] : [item.badge, item.caption, item.alt]
  button.setAttribute("aria-label", said.filter(Boolean).join(", ") || "Picture")  // begins with what is seen
  const frame = element("span", "frame")
  const image = element("img")
  image.loading = "lazy"
  image.decoding = "async"
  image.alt = ""  // the button says it
  image.onerror = () => frame.classList.add("lost")
  if (item.src) image.src = item.src
  else frame.classList.add("lost")
  frame.append(image, element("span", "none"))
  if (item.badge) frame.append(element("span", `badge ${item.tone}`, item.badge))
  button.append(frame)
  if (item.caption) {
    button.append(" ", element("span", "caption", item.caption))
    button.title = item.caption
  }
  button.onclick = () => {
    turn(state, item.key)
    state.choose(item.key)
  }
  return button
}

function moved(event, grid, state) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return
  const buttons = [...state.cells.values()].map(cell => cell.button)
  const at = buttons.findIndex(button => button.dataset.key === state.here)
  const top = buttons[0]?.offsetTop
  const columns = Math.max(1, buttons.filter(button => button.offsetTop === top).length)
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0,
                  End: buttons.length - 1 }
  if (!(event.key in steps)) return
  event.preventDefault()
  event.stopPropagation()  // the page's own arrow keys are for the picture, not for the grid
  const next = buttons[steps[event.key]]
  if (!next) return
  turn(state, next.dataset.key)
  next.focus()
}

function element(name, look = "", text = "") {
  const made = document.createElement(name)
  if (look) made.className = look
  if (text) made.textContent = text
  return made
}
