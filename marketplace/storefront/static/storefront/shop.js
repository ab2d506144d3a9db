// The pages work without this. It lets the feed follow what a shopper does, and shows panels and refusals.
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // After an event with a card, everything behind it is the new feed, without what stands before it.
  document.addEventListener("feed-changed", async (event) => {
    const card = event.target.closest("[data-listing]");
    const feed = document.querySelector("#feed");
    if (!card || !feed || !feed.contains(card)) return;
    const listing = card.dataset.listing;
    const reply = await fetch(feed.dataset.address, { headers: { "HX-Request": "true" } });
    if (!reply.ok) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await reply.text();
    glide(feed, () => follow(feed, listing, fresh.content));
  });

  function follow(feed, listing, fresh) {
    let last = feed.querySelector(`:scope > [data-listing="${CSS.escape(listing)}"]`);
    if (!last) return;
    while (last.nextElementSibling?.hasAttribute("data-strip")) last = last.nextElementSibling;
    const kept = new Set([listing]);
    for (let one = last; one; one = one.previousElementSibling) kept.add(one.dataset.listing);
    while (last.nextElementSibling) last.nextElementSibling.remove();
    for (const one of [...fresh.children]) if (!kept.has(one.dataset.listing)) feed.append(one);
    htmx.process(feed);
  }

  // A later page of the new feed may hold what stands above it since before.
  document.addEventListener("htmx:afterSwap", () => {
    const seen = new Set();
    for (const card of document.querySelectorAll("#feed > [data-listing]")) {
      if (seen.has(card.dataset.listing)) card.remove();
      seen.add(card.dataset.listing);
    }
  });

  // Cards that stay glide to their new places, where the browser can do that.
  function glide(feed, change) {
    if (!document.startViewTransition || calm.matches) return change();
    const named = () => [...feed.querySelectorAll(":scope > [data-listing]")].slice(0, 60);
    const name = (card) => { card.style.viewTransitionName = "card-" + CSS.escape(card.dataset.listing).replace(/[^\w-]/g, "_"); };
    named().forEach(name);
    const transition = document.startViewTransition(() => { change(); named().forEach(name); });
    transition.finished.finally(() => named().forEach((card) => { card.style.viewTransitionName = ""; }));
  }

  const panel = document.querySelector("#panel");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "panel-body" && !panel.open) panel.showModal();
  });
  panel?.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });

  let fading;
  function say(words) {
    const toast = document.querySelector("#toast");
    toast.textContent = words;
    toast.classList.add("is-shown");
    clearTimeout(fading);
    fading = setTimeout(() => toast.classList.remove("is-shown"), 5000);
  }
  document.addEventListener("htmx:responseError", (event) => say(event.detail.xhr.responseText || "That did not work."));
  document.addEventListener("htmx:sendError", () => say("The shop cannot be reached just now."));

  // A photo that is dropped or pasted anywhere goes to the form of the page: to sell, else to search.
  const taker = document.querySelector("[data-shrinks]") ?? document.querySelector("[data-drop]");
  const fileField = taker?.querySelector("input[type=file]");
  const take = (files) => {
    if (!files?.length) return;
    fileField.files = files;
    fileField.dispatchEvent(new Event("change", { bubbles: true }));
  };
  if (fileField) {
    const overlay = Object.assign(document.createElement("div"), { className: "drop-here", textContent: "Drop the photo" });
    overlay.style.display = "none";
    document.body.append(overlay);
    const show = (is) => { overlay.style.display = is ? "" : "none"; };
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", (event) => { if (hasFiles(event)) { event.preventDefault(); show(true); } });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) show(false); });
    document.addEventListener("drop", (event) => { if (hasFiles(event)) { event.preventDefault(); show(false); take(event.dataTransfer.files); } });
    document.addEventListener("paste", (event) => take(event.clipboardData?.files));
  }
  for (const field of document.querySelectorAll("[data-submits]")) {
    field.addEventListener("change", () => {
      const words = document.querySelector("#q");
      if (words) field.form.elements.q.value = words.value;
      field.form.requestSubmit();
    });
  }
  document.querySelector(".search-camera")?.addEventListener("click", (event) => {
    event.preventDefault();
    document.querySelector("[data-photo-search] input[type=file]").click();
  });

  // Photos are shown, and made as small as the server keeps them, before they are sent.
  const LONGEST_SIDE = 1280;
  for (const form of document.querySelectorAll("[data-shrinks]")) {
    const field = form.querySelector("input[type=file]");
    field.addEventListener("change", async (event) => {
      if (field.dataset.shrunk) return delete field.dataset.shrunk;
      event.stopImmediatePropagation();
      const kept = new DataTransfer();
      for (const file of [...field.files]) kept.items.add(await shrunk(file));
      field.files = kept.files;
      preview(kept.files);
      field.dataset.shrunk = "yes";
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }, true);
  }

  async function shrunk(file) {
    try {
      const picture = await createImageBitmap(file);
      const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
      if (scale === 1 && file.size < 1e6) return file;
      const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
      return new File([small], file.name.replace(/\.\w+$/, "") + ".jpg", { type: "image/jpeg" });
    } catch { return file; } // the server says what is wrong with it
  }

  function preview(files) {
    const list = document.querySelector("#previews");
    list.replaceChildren();
    for (const file of files) {
      const reader = new FileReader();
      reader.addEventListener("load", () => {
        const one = document.createElement("li");
        one.append(Object.assign(document.createElement("img"), { src: reader.result, alt: file.name }));
        list.append(one);
      });
      reader.readAsDataURL(file);
    }
  }

  // Advice is asked for when what it depends on changed, and the hand has rested.
  const advice = document.querySelector("#advice");
  if (advice) {
    let resting;
    const ask = (event) => {
      if (!["title", "description", "photos"].includes(event.target.name)) return;
      clearTimeout(resting);
      resting = setTimeout(() => htmx.trigger(advice, "advise"), event.type === "change" ? 50 : 800);
    };
    advice.closest("form").addEventListener("input", ask);
    advice.closest("form").addEventListener("change", ask);
  }

  // A suggested category is taken over by one click.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-category]");
    if (!button) return;
    const select = document.querySelector("select[name=category]");
    select.value = button.dataset.category;
    for (const one of document.querySelectorAll("[data-category]")) one.setAttribute("aria-pressed", one === button);
  });

  for (const link of document.querySelectorAll(".gallery-thumbs a")) {
    link.addEventListener("click", (event) => {
      const slide = document.querySelector(link.getAttribute("href"));
      event.preventDefault();
      slide.parentElement.scrollTo({ left: slide.offsetLeft - slide.parentElement.offsetLeft, behavior: calm.matches ? "auto" : "smooth" });
    });
  }
})();
