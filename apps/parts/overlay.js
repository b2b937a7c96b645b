// A picture with a heat map over it: how strong and of which class is chosen here, without asking the server's page.
const kept = new WeakMap()

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".overlay")
  const [picture, heat] = root.querySelectorAll("img")
  const lost = root.querySelector(".lost")
  const controls = root.querySelector(".controls")
  const slider = root.querySelector("input")
  const select = root.querySelector("select")
  const state = kept.get(root) ?? { strength: "0.6", name: null }  // kept from one picture to the next
  kept.set(root, state)

  if (picture.getAttribute("src") !== data.src) {
    lost.hidden = true
    picture.hidden = false
    picture.onerror = () => { picture.hidden = true; lost.hidden = false }
    picture.onload = () => root.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight)
    picture.src = data.src
  }
  picture.alt = data.alt
  controls.hidden = heat.hidden = !data.heats.length
  if (!data.heats.length) {
    heat.removeAttribute("src")
    return
  }
  select.replaceChildren(...data.heats.map(({ name }) => {
    const option = document.createElement("option")
    option.textContent = name
    return option
  }))
  const known = data.heats.findIndex(({ name }) => name === state.name)
  select.selectedIndex = state.picture === data.src && known >= 0 ? known : data.start
  state.picture = data.src
  slider.value = state.strength

  const show = () => {
    const chosen = data.heats[select.selectedIndex]
    state.name = chosen.name
    state.strength = slider.value
    heat.hidden = picture.hidden || slider.value === "0"
    heat.style.opacity = slider.value
    slider.setAttribute("aria-valuetext", `${Math.round(slider.value * 100)} %`)
    if (heat.getAttribute("src") !== chosen.src) heat.src = chosen.src
  }
  heat.onerror = () => { heat.hidden = true }
  slider.oninput = select.onchange = show
  for (const element of [slider, select]) element.onkeydown = event => event.stopPropagation()
  show()
}
