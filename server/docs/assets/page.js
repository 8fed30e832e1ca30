// The token stays in the page: it is sent to this server only and stored nowhere.
const token = document.getElementById('token');
window.ui = SwaggerUIBundle({
  url: new URL('openapi.json', document.baseURI).pathname,
  domNode: document.getElementById('reference'),
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    const text = token.value.trim();
    if (text && new URL(request.url, document.baseURI).origin === location.origin) {
      request.headers.Authorization = 'Bearer ' + text;
    }
    return request;
  },
});
