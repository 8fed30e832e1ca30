'use strict';

// The token stays in the page: it is sent to this server only and stored nowhere.
const token = document.getElementById('token');
const here = (url) => new URL(url, document.baseURI).origin === location.origin;

// freshKey returns a uuid. crypto.randomUUID is missing where a page came without TLS.
function freshKey() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = b[6] & 0x0f | 0x40;
  b[8] = b[8] & 0x3f | 0x80;
  const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

// operations lists [path, method, operation] in the order of the document.
function operations(spec) {
  return Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([, op]) => op.operationId).map(([method, op]) => [path, method, op]));
}

// leaveEmpty has no parameter filled in: an example of a filter finds nothing here,
// and the defaults of two ways of paging exclude each other. Both are told in words.
function leaveEmpty(spec) {
  const parameters = [
    ...Object.values(spec.components.parameters),
    ...Object.values(spec.paths).flatMap((item) => [item, ...Object.values(item)].flatMap((o) => o.parameters || [])),
  ];
  for (const p of parameters.filter((p) => p.schema)) {
    const example = p.example ?? p.schema.example;
    if (p.schema.default !== undefined) p.description += `\n\nDefault: \`${p.schema.default}\`.`;
    if (example !== undefined) p.description += `\n\nExample: \`${example}\`.`;
    delete p.example;
    delete p.schema.example;
    delete p.schema.default;
  }
}

// fillMenu links every operation, a fold for each tag.
function fillMenu(spec, menu) {
  for (const tag of spec.tags) {
    const fold = document.createElement('details');
    const title = document.createElement('summary');
    title.textContent = tag.name;
    fold.append(title);
    for (const [, method, op] of operations(spec).filter(([, , op]) => op.tags[0] === tag.name)) {
      const link = document.createElement('a');
      const verb = document.createElement('b');
      verb.textContent = method.toUpperCase();
      verb.className = method;
      link.href = `#/${tag.name}/${op.operationId}`;
      link.append(verb, ' ', op.summary);
      link.addEventListener('click', (click) => {
        click.preventDefault();
        history.replaceState(null, '', link.href);
        open(tag.name, op.operationId);
      });
      fold.append(link);
    }
    menu.append(fold);
  }
}

// open unfolds an operation and shows its heading.
async function open(tag, id) {
  if (matchMedia('(max-width: 60rem)').matches) document.getElementById('menu').open = false;
  ui.layoutActions.show(['operations-tag', tag], true);
  ui.layoutActions.show(['operations', tag, id], true);
  for (let frame = 0; frame < 60; frame++) {
    await new Promise(requestAnimationFrame);
    const block = document.getElementById(`operations-${tag}-${id}`);
    if (block) return block.scrollIntoView();
  }
}

async function start() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const dress = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', dress);
  dress();

  const answer = await fetch('openapi.json');
  const spec = await answer.json();
  spec.servers = spec.servers.slice(0, 1);
  delete spec.components.securitySchemes.clientBasic; // Authorize asks in one way
  for (const [, , op] of operations(spec)) op.security = op.security?.filter((way) => !way.clientBasic && Object.keys(way).length);
  leaveEmpty(spec);
  const menu = document.getElementById('menu');
  menu.open = !matchMedia('(max-width: 60rem)').matches;
  fillMenu(spec, menu.querySelector('nav'));

  window.ui = SwaggerUIBundle({
    spec,
    domNode: document.getElementById('reference'),
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: -1,
    tryItOutEnabled: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (!here(request.url)) return request;
      const asksForToken = new URL(request.url, document.baseURI).pathname.endsWith('/oauth/token');
      const text = token.value.trim();
      if (text && !asksForToken) request.headers.Authorization = 'Bearer ' + text;
      if (request.method === 'POST' && !asksForToken) request.headers['Idempotency-Key'] ??= freshKey();
      return request;
    },
  });
}

start();
