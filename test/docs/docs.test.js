// Opens the reference page of the Roster at ROSTER_URL as readers do: with a wide
// and a narrow window, in light and dark, and asserts what they see. Pictures go
// to the folder SCREENSHOTS, if it is set.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {chromium} from 'playwright-core';

const base = process.env.ROSTER_URL;
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const methods = new Set(['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace']);
const args = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let browser, spec, operator;

// api asks the service without the page.
async function api(method, path, body) {
  const headers = {Authorization: 'Bearer ' + process.env.ROSTER_TOKEN, 'Content-Type': 'application/json'};
  const answer = await fetch(base + path, {method, headers, body: body && JSON.stringify(body)});
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

before(async () => {
  assert.ok(executablePath, 'no Chromium on this machine: install the package chromium');
  browser = await chromium.launch({executablePath, args});
  spec = await (await fetch(base + '/openapi.json')).json();
  const flow = spec.components.securitySchemes.oauth2.flows.clientCredentials;
  operator = await api('POST', '/api/v2/clients', {name: 'A reader of the reference', grant_types: ['client_credentials']});
  await api('POST', '/api/v2/client-grants',
    {client_id: operator.client_id, audience: flow['x-form-parameters'].audience, scope: Object.keys(flow.scopes)});
});

after(() => browser?.close());

for (const width of [1300, 375]) {
  for (const colorScheme of ['light', 'dark']) {
    describe(`${width} px, ${colorScheme}`, () => read(width, colorScheme));
  }
}

function read(width, colorScheme) {
  const complaints = [];
  const name = `invoices ${width} ${colorScheme}`;
  let page, id, secret;

  before(async () => {
    page = await browser.newPage({viewport: {width, height: 1000}, colorScheme});
    page.on('console', (m) => m.type() === 'error' && complaints.push(m.text()));
    page.on('pageerror', (e) => complaints.push(String(e)));
    page.on('request', (r) => !r.url().startsWith(base) && !r.url().startsWith('data:') && complaints.push('asked ' + r.url()));
    await page.goto(base + '/'); // which sends browsers to the page
    await page.waitForSelector('.opblock');
  });
  after(() => page?.close());

  const picture = async (what) => process.env.SCREENSHOTS &&
    page.screenshot({path: `${process.env.SCREENSHOTS}/${width}-${colorScheme}-${what}.png`});

  // block is an operation, opened from the menu.
  async function block(operation) {
    const tag = Object.values(spec.paths).flatMap((item) => Object.values(item)).find((op) => op.operationId === operation).tags[0];
    const menu = page.locator('#menu');
    if (!await menu.evaluate((m) => m.open)) await menu.locator('> summary').click();
    const fold = menu.locator('nav > details').filter({has: page.locator(`> summary:text-is("${tag}")`)});
    if (!await fold.evaluate((f) => f.open)) await fold.locator('> summary').click();
    await fold.locator(`a[href$="/${operation}"]`).click();
    const opened = page.locator(`#operations-${tag}-${operation}`);
    await opened.locator('.execute').waitFor();
    return opened;
  }
  // execute clicks the button and returns what the page shows of the answer.
  async function execute(opened) {
    const answered = page.waitForResponse((r) => new URL(r.url()).pathname.startsWith('/api/'));
    await opened.locator('.execute').click();
    await answered;
    const shown = opened.locator('.live-responses-table tbody .response').first();
    await shown.waitFor();
    await page.waitForFunction((el) => !el.closest('.opblock').querySelector('.loading-container'), await shown.elementHandle());
    return shown.innerText();
  }
  const fits = async (what) => assert.ok(
    await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is wider than the window`);

  test('the page shows every operation, and the menu does', async () => {
    const want = Object.entries(spec.paths)
      .flatMap(([path, item]) => Object.keys(item).filter((m) => methods.has(m)).map((m) => m.toUpperCase() + ' ' + path)).sort();
    const got = await page.$$eval('.opblock', (blocks) => blocks.map((b) =>
      b.querySelector('.opblock-summary-method').textContent.trim() + ' ' + b.querySelector('.opblock-summary-path').dataset.path).sort());
    assert.deepEqual(got, want);
    assert.equal(await page.locator('#menu a').count(), want.length);
    await picture('start');
    await fits('the page');
  });

  test('it is as light or dark as the reader wants', async () => {
    const brightness = (selector) => page.$eval(selector, (el) => getComputedStyle(el).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3);
    const back = await brightness('body');
    assert.ok(colorScheme === 'dark' ? back < 60 : back > 200, `the background is ${back}`);
  });

  test('Authorize gets a token with an identifier and a secret', async () => {
    await page.click('button.authorize');
    const dialog = page.locator('.modal-ux .auth-container').filter({hasText: 'clientCredentials'});
    await dialog.locator('[data-name=clientId]').fill(operator.client_id);
    await dialog.locator('[data-name=clientSecret]').fill(operator.client_secret);
    await dialog.locator('button.authorize').click();
    await dialog.locator('button:text-is("Logout")').waitFor();
    assert.equal(await dialog.locator('.errors').count(), 0);
    await picture('authorized');
    await page.click('.modal-ux .btn-done');
  });

  test('a client is created, and a second one after it', async () => {
    for (const n of [name + ' first', name]) {
      const opened = await block('auth0CreateClient');
      await opened.locator('textarea.body-param__text').fill(JSON.stringify({name: n, app_type: 'non_interactive'}));
      const shown = await execute(opened);
      assert.match(shown, /^201\b/);
      assert.ok(shown.includes(`"name": "${n}"`), shown);
      id = shown.match(/"client_id": "(\w+)"/)[1];
      secret = shown.match(/"client_secret": "([\w-]+)"/)[1];
    }
    await picture('created');
    await fits('an opened operation');
  });

  test('the first list shows it', async () => {
    const opened = await block('auth0ListClients');
    for (const input of await opened.locator('.parameters input').all()) assert.equal(await input.inputValue(), '', 'a filter is filled in');
    const shown = await execute(opened);
    assert.match(shown, /^200\b/);
    assert.ok(shown.includes(`"name": "${name}"`), 'the list does not show the client');
    await picture('listed');
  });

  test('its secret is rotated', async () => {
    const opened = await block('auth0RotateClientSecret');
    await opened.locator('tr[data-param-name="client_id"] input').fill(id);
    const shown = await execute(opened);
    assert.match(shown, /^200\b/);
    const now = shown.match(/"client_secret": "([\w-]+)"/)[1];
    assert.notEqual(now, secret);
  });

  test('it is deleted', async () => {
    const opened = await block('auth0DeleteClient');
    await opened.locator('tr[data-param-name="client_id"] input').fill(id);
    assert.match(await execute(opened), /^204\b/);
    const list = await execute(await block('auth0ListClients'));
    assert.ok(list.includes(`"name": "${name} first"`) && !list.includes(`"name": "${name}"`), 'the list shows it still');
  });

  test('a link to an operation shows its heading', async () => {
    const deep = await browser.newPage({viewport: {width, height: 1000}, colorScheme});
    await deep.goto(base + '/docs#/boruta/borutaListScopes');
    const heading = deep.locator('#operations-boruta-borutaListScopes .opblock-summary');
    await deep.locator('#operations-boruta-borutaListScopes .execute').waitFor();
    await deep.waitForFunction((el) => {
      const r = el.getBoundingClientRect();
      return r.top >= 0 && r.bottom <= innerHeight && el.contains(document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2));
    }, await heading.elementHandle());
    if (process.env.SCREENSHOTS) await deep.screenshot({path: `${process.env.SCREENSHOTS}/${width}-${colorScheme}-link.png`});
    await deep.close();
  });

  test('nothing was asked of another host and nothing was complained about', () => assert.deepEqual(complaints, []));
}
