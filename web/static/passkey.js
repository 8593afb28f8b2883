// Passkeys: the form's data-passkey says which question is asked ("create" or "get"), data-options holds it. The answer
// goes into the field "answer", and the form is sent. Without this script or without passkeys, the button stays hidden.
"use strict";

const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// question turns what JSON can hold into what the browser wants.
function question(options) {
  const q = { ...options, challenge: decode(options.challenge) };
  if (q.user) q.user = { ...q.user, id: decode(q.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    if (q[list]) q[list] = q[list].map((c) => ({ ...c, id: decode(c.id) }));
  }
  return q;
}

// answer turns what the browser gives into what JSON can hold.
function answer(credential) {
  const response = {};
  for (const field of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[field]) response[field] = encode(credential.response[field]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id, rawId: encode(credential.rawId), type: credential.type, response,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

async function use(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const said = form.querySelector("[data-said]");
  said.textContent = "";
  try {
    const publicKey = question(JSON.parse(form.dataset.options).publicKey);
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
    form.elements.answer.value = answer(credential);
    form.submit();
  } catch (problem) {
    said.textContent = problem.name === "InvalidStateError"
      ? "This device has a passkey for this account already."
      : "No passkey was used. Try again, or use another way.";
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.addEventListener("submit", use);
  form.hidden = false;
  for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = true;
}
