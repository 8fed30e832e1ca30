// Opens /docs of the Roster at ROSTER_URL as a reader would, with ROSTER_TOKEN to paste.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {chromium} from 'playwright-core';

const base = process.env.ROSTER_URL;
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const methods = new Set(['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace']);

let browser, page;
const complaints = [];

before(async () => {
  assert.ok(executablePath, 'no Chromium on this machine: install the package chromium');
  browser = await chromium.launch({executablePath, args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
  page = await browser.newPage({viewport: {width: 1300, height: 1200}});
  page.on('console', (m) => m.type() === 'error' && complaints.push(m.text()));
  page.on('pageerror', (e) => complaints.push(String(e)));
  page.on('request', (r) => !r.url().startsWith(base) && !r.url().startsWith('data:') && complaints.push('asked ' + r.url()));
  await page.goto(base + '/docs');
  await page.waitForSelector('.opblock');
});

after(() => browser?.close());

test('the page lists every operation of the specification', async () => {
  const spec = await (await fetch(base + '/openapi.json')).json();
  const want = Object.entries(spec.paths)
    .flatMap(([path, item]) => Object.keys(item).filter((m) => methods.has(m)).map((m) => m.toUpperCase() + ' ' + path))
    .sort();
  const got = await page.$$eval('.opblock', (blocks) => blocks.map((b) =>
    b.querySelector('.opblock-summary-method').textContent.trim() + ' ' + b.querySelector('.opblock-summary-path').dataset.path).sort());
  assert.deepEqual(got, want);
});

test('a call tried from the page succeeds with a pasted token', async () => {
  await page.fill('#token', process.env.ROSTER_TOKEN);
  await page.click('#operations-auth0-auth0ListClients .opblock-summary-control');
  await page.click('#operations-auth0-auth0ListClients .execute');
  const status = await page.waitForSelector('#operations-auth0-auth0ListClients .live-responses-table .response .response-col_status');
  assert.match(await status.textContent(), /^\s*200/);
});

test('nothing was asked of another host and nothing was complained about', async () => {
  if (process.env.SCREENSHOT) await page.screenshot({path: process.env.SCREENSHOT});
  assert.deepEqual(complaints, []);
});
