// Sends files one by one to our own route, three at a time, from disk to disk. Names are set as text alone.
const AT_ONCE = 3
const LISTED = 20
const kept = new WeakMap()

export default function ({ data, parentElement, setStateValue }) {
  const zone = parentElement.querySelector(".zone")
  const part = name => zone.querySelector(`.${name}`)
  const state = kept.get(zone) ?? { work: null }
  const known = kept.has(zone)
  kept.set(zone, state)
  state.data = data
  state.report = id => setStateValue("done", id)
  part("label").textContent = data.label
  part("hint").textContent = `${data.folders ? "A folder, " : ""}${data.words}; at most ${size(data.limit)}.`
    .replace(/^./, first => first.toUpperCase())
  part("folder").hidden = !data.folders
  part("pick-files").accept = data.suffixes.join(",")
  if (known) return

  state.part = part
  part("files").onclick = () => part("pick-files").click()
  part("folder").onclick = () => part("pick-folder").click()
  part("cancel").onclick = () => cancel(state)
  part("again").onclick = () => run(state)
  for (const name of ["pick-files", "pick-folder"])
    part(name).onchange = event => {
      const files = [...event.target.files].map(file => ({ file, path: file.webkitRelativePath || file.name }))
      event.target.value = ""  // the same choice once more is a choice too
      begin(state, files)
    }
  zone.ondragover = event => { event.preventDefault(); zone.classList.add("over") }
  zone.ondragleave = event => { if (!zone.contains(event.relatedTarget)) zone.classList.remove("over") }
  zone.ondrop = async event => {
    event.preventDefault()
    zone.classList.remove("over")
    if (state.work?.running) return
    const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean)
    say(state, "Looking at what was dropped …")
    begin(state, (await Promise.all(entries.map(walk))).flat())
  }
}

async function walk(entry) {
  if (entry.isFile)
    return new Promise(done => entry.file(file => done([{ file, path: entry.fullPath.replace(/^\//, "") }]),
                                          () => done([])))
  const reader = entry.createReader(), found = []
  for (;;) {  // a folder gives its entries a hundred at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)).catch(() => [])
    if (!some.length) return (await Promise.all(found.map(walk))).flat()
    found.push(...some)
  }
}

async function begin(state, files) {
  const { data } = state
  const suffix = path => (path.match(/(\.nii)?\.[^./]+$/i) ?? [""])[0].toLowerCase()
  const hidden = path => path.split("/").some(name => name.startsWith(".") || data.litter.includes(name.toLowerCase()))
  const seen = files.filter(({ path }) => !hidden(path))
  const wanted = seen.filter(({ path, file }) => data.suffixes.includes(suffix(path)) && file.size &&
                                                 path.split("/").length <= data.deepest)
  const out = seen.filter(one => !wanted.includes(one)).map(({ path, file }) => [path, file.size ?
    path.split("/").length > data.deepest ? "too many folders deep" : "of another kind" : "empty"])
  const single = wanted.filter(({ path }) => data.alone.includes(suffix(path)))
  const bytes = wanted.reduce((sum, { file }) => sum + file.size, 0)
  leftOut(state, out)
  state.part("again").hidden = true
  if (!files.length) return say(state, "")
  if (!wanted.length) return say(state, `Nothing here can be used: ${data.words} would be.`, true)
  if (single.length && wanted.length > 1)
    return say(state, "A zip or .npz comes alone: choose one file, or pictures without it.", true)
  if (bytes > data.limit)
    return say(state, `This is ${size(bytes)}; at most ${size(data.limit)} are taken. What lies on the computer where ` +
                      "the dashboard runs needs no upload: give the path of its folder.", true)
  for (const { file } of single)
    if (String.fromCharCode(...new Uint8Array(await file.slice(0, 4).arrayBuffer())) !== "PK\x03\x04")
      return say(state, `${file.name} is no ${suffix(file.name) === ".zip" ? "zip archive" : ".npz file"}: its first ` +
                        "bytes are of another kind.", true)
  const id = [...crypto.getRandomValues(new Uint8Array(6))].map(byte => byte.toString(16).padStart(2, "0")).join("")
  state.work = { id, waiting: wanted, files: wanted.length, bytes, sent: 0, taken: 0, out, on: new Set() }
  run(state)
}

// Send what is waiting; what is refused for itself is left out, what breaks off can be gone on with.
async function run(state) {
  const work = state.work
  Object.assign(work, { running: true, cancelled: false, broken: "", began: performance.now(), before: work.sent })
  show(state, true)
  say(state, "")
  const leave = event => event.preventDefault()
  window.addEventListener("beforeunload", leave)
  const ticking = setInterval(() => progress(state), 250)
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (work.waiting.length && !work.broken && !work.cancelled) {
      const one = work.waiting.shift()
      const { status, error } = await send(state, one)
      if (status === 200) work.taken += 1
      else if (status === 400 || status === 415) work.out.push([one.path, error])
      else {
        work.waiting.unshift(one)
        work.broken ||= error
      }
    }
  }))
  clearInterval(ticking)
  window.removeEventListener("beforeunload", leave)
  work.running = false
  if (state.work === work) ended(state)
}

function ended(state) {
  const work = state.work
  show(state, false)
  leftOut(state, work.out)
  if (work.cancelled) {
    fetch(state.data.url + work.id, { method: "DELETE" }).catch(() => {})
    return say(state, "Cancelled; nothing was kept.")
  }
  if (work.broken) {
    state.part("again").hidden = false
    return say(state, `${work.broken} ${work.taken ? `${work.taken} of ${work.files} files have arrived.` : ""}`, true)
  }
  if (!work.taken) return say(state, work.files === 1 ? work.out.at(-1)[1] : "None of the files could be used.", true)
  say(state, `${work.taken === 1 ? "1 file" : `${work.taken.toLocaleString()} files`}, ${size(work.sent)}, arrived.`)
  state.report(work.id)
}

function send(state, { file, path }) {
  const work = state.work
  return new Promise(done => {
    const call = new XMLHttpRequest()
    let sent = 0
    const count = now => { work.sent += now - sent; sent = now }
    const end = (status, error) => {
      work.on.delete(call)
      count(status === 200 ? file.size : 0)
      done({ status, error })
    }
    work.on.add(call)
    call.upload.onprogress = event => count(Math.min(event.loaded, file.size))
    call.onload = () => {
      let told = {}
      try { told = JSON.parse(call.responseText) } catch { /* a page: the guard's, or a proxy's */ }
      end(call.status, told.error ?? `The server answered ${call.status}.`)
    }
    call.onerror = () => end(0, "The connection broke off.")
    call.onabort = () => end(0, "")
    call.open("POST", `${state.data.url}${work.id}?path=${encodeURIComponent(path)}`)
    call.send(file)
  })
}

function cancel(state) {
  state.work.cancelled = true
  for (const call of state.work.on) call.abort()
}

function progress(state) {
  const { sent, bytes, began, before, taken, files } = state.work
  const seconds = (performance.now() - began) / 1000
  const left = sent > before && seconds > 1 ? (bytes - sent) * seconds / (sent - before) : null
  state.part("coming").querySelector("progress").value = bytes ? sent / bytes : 0
  state.part("much").textContent = `${size(sent)} of ${size(bytes)}` +
    (files > 1 ? `, ${taken.toLocaleString()} of ${files.toLocaleString()} files` : "") +
    (sent >= bytes ? ", writing to disk …" : left === null ? "" : `, about ${time(left)} left`)
}

function show(state, coming) {
  const cancel = state.part("cancel"), here = cancel.getRootNode().activeElement === cancel
  state.part("coming").hidden = !coming
  state.part("choose").hidden = coming
  state.part("again").hidden = true
  progress(state)
  if (coming || here) (coming ? cancel : state.part("files")).focus({ preventScroll: true })
}

function say(state, text, bad = false) {
  const told = state.part("told")
  told.textContent = text
  told.classList.toggle("bad", bad)
}

function leftOut(state, out) {
  const place = state.part("out")
  place.hidden = !out.length
  place.querySelector("summary").textContent = `${out.length.toLocaleString()} left out`
  const short = (path, reason) => reason.replace(`${path.split("/").pop()} `, "").replace(/\.$/, "")
  const lines = out.slice(0, LISTED).map(([path, reason]) => `${path}: ${short(path, reason)}`)
  if (out.length > LISTED) lines.push(`and ${(out.length - LISTED).toLocaleString()} more`)
  place.querySelector("ul").replaceChildren(...lines.map(line => {
    const item = document.createElement("li")
    item.textContent = line
    return item
  }))
}

function size(bytes) {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"]
  const number = bytes / unit
  return `${number.toLocaleString("en", { maximumFractionDigits: number < 10 ? 1 : 0 })} ${name}`
}

function time(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}
