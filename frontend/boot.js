// Sets the theme before the first paint, then starts the dashboard. A file of its own, since the page's content
// security policy allows no inline script.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('drydock.theme');
  } catch {
    // storage is forbidden in this browser: the system's theme it is
  }
  const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  const failed = (error) => {
    console.error(error);
    const text = document.getElementById('boot-text');
    if (text) text.textContent = 'The dashboard could not be started. Reload the page; a current browser with WebAssembly is needed.';
  };
  // A mistake in the dashboard ends its program: what stands on the page answers no more, so say so and offer the way out.
  const stopped = (error) => {
    if (!(error instanceof WebAssembly.RuntimeError) || document.getElementById('stopped')) return;
    const bar = document.createElement('div');
    bar.id = 'stopped';
    bar.setAttribute('role', 'alert');
    const text = document.createElement('p');
    text.textContent = 'The dashboard stopped by a mistake of its own. Nothing on the box is lost; jobs and deployments go on.';
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'btn primary';
    button.textContent = 'Reload';
    button.addEventListener('click', () => location.reload());
    bar.append(text, button);
    document.body.append(bar);
  };
  addEventListener('error', (event) => stopped(event.error));
  addEventListener('unhandledrejection', (event) => stopped(event.reason));
  const start = () => import('{{app.js}}').then((app) => app.default({ module_or_path: '{{app_bg.wasm}}' })).catch(failed);
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
