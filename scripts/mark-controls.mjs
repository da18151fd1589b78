// Loader of webpack: writes into each control of the pane which one of the source it is (pane-controls.ts).
import { controlsIn, nameOf } from './pane-controls.ts'

// eslint-disable-next-line import/no-default-export -- what webpack calls
export default function markControls(source) {
  const { controls } = controlsIn(source, nameOf(this.resourcePath))
  return controls.toSorted((one, other) => other.at - one.at).reduce((marked, { id, at }) => `${marked.slice(0, at)} data-control="${id}"${marked.slice(at)}`, source)
}
