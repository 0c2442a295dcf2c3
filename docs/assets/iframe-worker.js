/* The search of the site runs in a Worker, which browsers refuse to pages that are opened from the disk. There, an iframe
   does the same work: it loads the script, and messages go between the two windows. */
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.loaded = new Promise((resolve) => {
        window.addEventListener("message", (event) => {
          if (event.source === this.frame.contentWindow) {
            this.dispatchEvent(new MessageEvent("message", { data: event.data }));
          }
        });
        document.body.appendChild(this.frame);
        const inside = this.frame.contentWindow;
        inside.document.open();
        inside.document.write("<!doctype html><body></body>");
        inside.document.close();
        // what a script in a Worker expects to find
        const setup = inside.document.createElement("script");
        setup.textContent = `
          window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {
            const script = document.createElement("script");
            script.src = url;
            script.onload = script.onerror = done;
            document.body.appendChild(script);
          })), Promise.resolve());
          window.postMessage = (data) => parent.postMessage(data, "*");`;
        inside.document.body.appendChild(setup);
        const script = inside.document.createElement("script");
        script.src = new URL(url, document.baseURI).href;
        script.onload = resolve;
        inside.document.body.appendChild(script);
      });
    }

    postMessage(data) {
      // `dispatchEvent` and not `postMessage`, which inside of the frame leads to the page
      this.loaded.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new inside.MessageEvent("message", { data }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
