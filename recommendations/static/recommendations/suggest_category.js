"use strict";

// Asks for categories of what the form holds, and offers them as buttons that fill in the field.
document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("button.suggest-category")) {
        const offer = document.createElement("span");
        offer.className = "suggested-categories";
        offer.setAttribute("role", "status");
        button.after(offer);
        button.addEventListener("click", () => suggest(button, offer));
    }
});

async function suggest(button, offer) {
    button.disabled = true;
    offer.textContent = "…";
    try {
        show(await ask(button), button.form, offer);
    } catch {
        offer.textContent = "Categories cannot be suggested just now.";
    } finally {
        button.disabled = false;
    }
}

async function ask(button) {
    const fields = button.form.elements, body = new FormData();
    for (const name of ["title", "description"]) body.append(name, fields[name]?.value ?? "");
    const photo = fields.add_photo?.files[0];
    if (photo) body.append("add_photo", photo);
    body.append("listing", button.dataset.listing);
    const headers = {"X-CSRFToken": fields.csrfmiddlewaretoken.value};
    const response = await fetch(button.dataset.url, {method: "POST", body, headers});
    return response.json();
}

function show({suggestions, message}, form, offer) {
    offer.textContent = message ?? (suggestions.length ? "" : "No category that exists comes near.");
    for (const one of suggestions ?? []) {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "suggested-category";
        chip.textContent = `${one.path} · ${Math.round(100 * one.probability)} %`;
        chip.addEventListener("click", () => choose(form.elements.category, one));
        offer.append(chip);
    }
}

function choose(select, {category, path}) {
    if (![...select.options].some((option) => option.value === String(category))) {
        select.add(new Option(path, category));
    }
    django.jQuery(select).val(String(category)).trigger("change");
}
