/* Change Control: everything works without this file; it only makes pages live and comfortable. */
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("cc-js");

  /* Theme: a cookie decides on the server; without one, the system does. */
  if (root.dataset.ccTheme === "system" && window.matchMedia) {
    var dark = window.matchMedia("(prefers-color-scheme: dark)");
    var follow = function () { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
    follow();
    dark.addEventListener("change", follow);
  }

  /* Copy a digest, and say so. */
  function copy(text) {
    if (navigator.clipboard && window.isSecureContext) { return navigator.clipboard.writeText(text); }
    var field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    document.body.appendChild(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    return Promise.resolve();
  }
  function swapIcon(button, from, to) {
    var use = button.querySelector("use");
    if (use) { use.setAttribute("href", use.getAttribute("href").replace("#" + from, "#" + to)); }
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) { return; }
    copy(button.dataset.copy).then(function () {
      swapIcon(button, "copy", "check");
      say("Copied");
      window.setTimeout(function () { swapIcon(button, "check", "copy"); }, 1500);
    });
  });
  function say(text) {
    var line = document.getElementById("cc-say");
    if (!line) {
      line = document.createElement("div");
      line.id = "cc-say";
      line.className = "visually-hidden";
      line.setAttribute("role", "status");
      document.body.appendChild(line);
    }
    line.textContent = text;
  }

  /* Menus close on Escape and on a click beside them; Escape leaves the sign dialog. */
  document.addEventListener("click", function (event) {
    document.querySelectorAll("details.cc-menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) { menu.open = false; }
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    document.querySelectorAll("details.cc-menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    var leave = document.querySelector("dialog[open] [data-leave]");
    if (leave) { leave.click(); }
  });

  /* One click, one effect: a form that was sent cannot be sent again from this page. */
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || event.defaultPrevented) { return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    window.setTimeout(function () { delete form.dataset.sent; }, 4000);
  });

  /* A select that only chooses what the page shows sends itself. */
  document.addEventListener("change", function (event) {
    if (event.target.matches("select[data-send]")) { event.target.form.requestSubmit(); }
  });
}());
