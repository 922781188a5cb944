// Say which npm packages satisfy requirements, and what their files are. Nothing is installed, no package's code runs.
//
//   node npm-resolve.js NPM IN OUT      network on; NPM is npm's own folder
//
// IN is a JSON file:
//   requirements  {NAME: RANGE}
//   prefer        {NAME: VERSION}, what to stay with
//   before        nothing newer than this instant (RFC 3339); empty: no limit
//   locate        {NAME: VERSION}, if given: only say where their files are, as {addresses: {NAME@VERSION: ADDRESS}}
//   list          [NAME], if given: only say which versions there are, as {versions: {NAME: {VERSION: DATE}}}
// OUT/answer.json gets {packages: [{place, name, version, url, sha256, size, by}]}, where place is the package's folder
// (node_modules/…) and by are the places of those that require it, or {error: {code, text, name, versions: {VERSION: DATE}}}.
'use strict'
const { spawnSync } = require('node:child_process')
const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const [npm, given, out] = process.argv.slice(2)
const semver = require(npm + '/node_modules/semver')
const project = '/tmp/project'
const cache = '/var/cache/driftpin-npm'
const q = JSON.parse(fs.readFileSync(given))

function run (...args) {
  const all = [npm + '/bin/npm-cli.js', ...args, '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--omit=dev',
    '--omit-lockfile-registry-resolved=false', '--cache', cache]
  if (q.before) all.push('--before', q.before)
  fs.mkdirSync(project, { recursive: true })
  const done = spawnSync(process.execPath, all, { cwd: project, encoding: 'utf8', env: { ...process.env, npm_config_json: 'true' } })
  return { ok: done.status === 0, text: done.stdout, said: done.stderr }
}

const read = name => JSON.parse(fs.readFileSync(path.join(project, name)))

// lock has npm decide, with some packages held at a version.
function lock (held) {
  fs.rmSync(project, { recursive: true, force: true })
  fs.mkdirSync(project)
  const dependencies = {}
  const overrides = {}
  for (const [name, range] of Object.entries(q.requirements)) {
    dependencies[name] = held[name] && semver.satisfies(held[name], range) ? held[name] : range
  }
  for (const [name, version] of Object.entries(held)) {
    if (!(name in dependencies)) overrides[name] = version
  }
  fs.writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'course', private: true, dependencies, overrides }))
  return run('install', '--package-lock-only')
}

const edges = p => Object.entries({ ...p.dependencies, ...p.optionalDependencies, ...p.peerDependencies })

// find is how node looks for a package from a place: there, then further up.
function find (packages, from, name) {
  for (let at = from; ; at = at.slice(0, at.lastIndexOf('/node_modules/'))) {
    const place = (at ? at + '/' : '') + 'node_modules/' + name
    if (packages[place]) return place
    if (!at) return
    if (!at.includes('/node_modules/')) at = '/node_modules/' + at
  }
}

// misfit are held packages that a package does not want at that version.
function misfit (packages, held) {
  const names = new Set()
  for (const [from, p] of Object.entries(packages)) {
    for (const [name, range] of from ? edges(p) : []) {
      const place = held[name] && find(packages, from, name)
      if (place && semver.validRange(range) && !semver.satisfies(packages[place].version, range)) names.add(name)
    }
  }
  return names
}

// decide holds what it can at the versions preferred: what no longer fits is let go, and all where that does not help.
function decide () {
  let held = { ...q.prefer }
  for (;;) {
    const done = lock(held)
    if (!done.ok && Object.keys(held).length === 0) return done
    if (!done.ok) { held = {}; continue }
    const names = misfit(read('package-lock.json').packages, held)
    if (names.size === 0) return done
    for (const name of names) delete held[name]
  }
}

// versions are what the registry has of a package, with dates; what has no date has no version either. lost is called where it
// can't be asked.
function versions (name, lost = () => ({})) {
  const done = run('view', name, 'time')
  let told
  try { told = JSON.parse(done.text) } catch { return lost(done.said) }
  if (!done.ok) return told?.error?.code === 'E404' ? {} : lost(told?.error?.summary || done.said)
  return Object.fromEntries(Object.entries(told || {}).filter(([version]) => semver.valid(version)))
}

// failure says why npm found nothing, and of which package it speaks.
function failure (done) {
  let error = {}
  try { error = JSON.parse(done.text).error } catch {}
  const text = [error.summary, error.detail].filter(Boolean).join('\n') || done.said
  const name = Object.keys(q.requirements).find(n => text.split(/[\s"'\x60,]+/).some(word => word === n || word.startsWith(`${n}@`))) || ''
  return { error: { code: error.code || '', text, name, versions: error.code === 'ETARGET' && name ? versions(name) : {} } }
}

// file says what npm has fetched, and checked by its integrity, for a package.
function file (p) {
  const [algorithm, sum] = p.integrity.split(' ')[0].split(/-(.*)/s)
  const hex = Buffer.from(sum, 'base64').toString('hex')
  const data = fs.readFileSync(path.join(cache, '_cacache/content-v2', algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)))
  return { url: p.resolved, sha256: crypto.createHash('sha256').update(data).digest('hex'), size: data.length }
}

function resolve () {
  let done = decide()
  if (done.ok) done = run('ci')
  if (!done.ok) return failure(done)
  const { packages } = read('package-lock.json')
  const here = Object.keys(packages).filter(place => place && !packages[place].inBundle && fs.existsSync(path.join(project, place, 'package.json')))
  const by = {}
  for (const from of here) {
    for (const [name] of edges(packages[from])) {
      const place = find(packages, from, name)
      if (place) (by[place] ||= []).push(from)
    }
  }
  return {
    packages: here.map(place => {
      const p = packages[place]
      const name = p.name || place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
      if (!p.integrity || !p.resolved) return fail(`the registry tells no integrity of ${name}: driftpin can't lock without`)
      return { place, name, version: p.version, by: by[place] || [], ...file(p) }
    })
  }
}

// list says which versions there are: none of what the registry does not have.
const list = () => ({ versions: Object.fromEntries(q.list.map(name => [name, versions(name, fail)])) })

// locate says where files are, as far as the registry has them.
function locate () {
  const addresses = {}
  for (const [name, version] of Object.entries(q.locate)) {
    try { addresses[`${name}@${version}`] = JSON.parse(run('view', `${name}@${version}`, 'dist.tarball').text) } catch {}
  }
  return { addresses }
}

// fail ends with an error in place of an answer.
function fail (text) {
  fs.writeFileSync(path.join(out, 'answer.json'), JSON.stringify({ error: { code: '', text, name: '', versions: {} } }))
  process.exit(0)
}

fs.writeFileSync(path.join(out, 'answer.json'), JSON.stringify(q.list ? list() : q.locate ? locate() : resolve()))
