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
  const start = () => import('{{app.js}}').then((app) => app.default({ module_or_path: '{{app_bg.wasm}}' })).catch(failed);
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
