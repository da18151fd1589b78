// Paints addin/icons/icons.svg into PNG files, one for each symbol and size that the Office manifests may name.
// Needs Chromium (Debian: apt install chromium; elsewhere set CHROMIUM to its path). The PNG files are committed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const folder = fileURLToPath(new URL('../addin/icons/', import.meta.url))
const sizes = [16, 20, 24, 32, 40, 48, 64, 80, 128]
const drawing = readFileSync(join(folder, 'icons.svg'), 'utf8').replace(/<\?xml.*?\?>/u, '')
const symbols = [...drawing.matchAll(/<symbol id="([a-z]+)"/gu)].map(([, id]) => id)

const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const page = await browser.newPage({ viewport: { width: 128, height: 128 } })
  await page.setContent(`<style>body{margin:0}</style><div hidden>${drawing}</div><svg id="canvas" style="display:block"><use/></svg>`)
  for (const symbol of symbols) {
    for (const size of sizes) {
      await page.evaluate(([id, pixels]) => {
        const canvas = document.querySelector('#canvas')
        for (const name of ['width', 'height']) canvas.setAttribute(name, pixels)
        canvas.firstElementChild.setAttribute('href', `#${id}`)
      }, [symbol, size])
      await page.screenshot({ path: join(folder, `${symbol}-${size}.png`), omitBackground: true, clip: { x: 0, y: 0, width: size, height: size } })
    }
  }
} finally {
  await browser.close()
}
process.stdout.write(`icons: ${symbols.join(', ')} in ${sizes.length} sizes each\n`)
