// Lay out npm packages in an environment: offline, the same bytes every time.
//
//   node npm-install.js NPM PACKAGES ENVIRONMENT LAYER      NPM is npm's own folder
//
// PACKAGES holds packages' files, and lock.json: [{file, place, pinned, scripts}], where place is the package's folder below
// ENVIRONMENT/lib. They are unpacked to LAYER/ENVIRONMENT; programs of those that are pinned are linked to bin. The scripts that
// packages bring (preinstall, install, postinstall) run only where scripts is true.
'use strict'
const fs = require('node:fs')
const path = require('node:path')

const [npm, packages, environment, layer] = process.argv.slice(2)
const pacote = require(npm + '/node_modules/pacote')
const binLinks = require(npm + '/node_modules/bin-links')
const normalizeBin = require(npm + '/node_modules/npm-normalize-package-bin')
const runScript = require(npm + '/node_modules/@npmcli/run-script')
const lib = path.join(layer, environment, 'lib')
const epoch = Number(process.env.SOURCE_DATE_EPOCH)

async function install ({ file, place, pinned, scripts }) {
  const folder = path.join(lib, place)
  await pacote.extract('file:' + path.join(packages, file), folder, { cache: '/tmp/cache', offline: true })
  const pkg = normalizeBin(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8').replace(/^\uFEFF/, '')))
  await binLinks({ path: folder, pkg, top: pinned, global: pinned, force: true })
  return { folder, pkg, scripts }
}

async function runScripts ({ folder, pkg }) {
  const env = { PATH: path.dirname(process.execPath) + ':' + process.env.PATH }
  for (const event of ['preinstall', 'install', 'postinstall']) {
    if (pkg.scripts?.[event]) await runScript({ event, path: folder, pkg, env, stdio: 'inherit', scriptShell: '/bin/sh' })
  }
}

// settle gives all that was written one modification time.
function settle (at) {
  for (const e of fs.readdirSync(at, { withFileTypes: true })) {
    const p = path.join(at, e.name)
    if (e.isDirectory()) settle(p)
    else fs.lutimesSync(p, epoch, epoch)
  }
  fs.utimesSync(at, epoch, epoch)
}

async function main () {
  process.umask(0o022)
  const lock = JSON.parse(fs.readFileSync(path.join(packages, 'lock.json')))
  const installed = []
  for (const p of lock.sort((a, b) => a.place < b.place ? -1 : 1)) installed.push(await install(p))
  for (const p of installed) if (p.scripts) await runScripts(p)
  settle(layer)
}

main()
