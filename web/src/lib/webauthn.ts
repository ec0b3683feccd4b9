import { ApiProblem } from './problem';

/** A passkey by its id, as the server writes it; all bytes are base64url. */
interface DescriptorJson {
  type: string;
  id: string;
}

export interface CreationOptionsJson {
  rp: { id: string; name: string };
  user: { id: string; name: string; displayName: string };
  challenge: string;
  pubKeyCredParams: { type: string; alg: number }[];
  timeout: number;
  excludeCredentials: DescriptorJson[];
  authenticatorSelection: { residentKey: string; requireResidentKey: boolean; userVerification: string };
  attestation: string;
}

export interface RequestOptionsJson {
  challenge: string;
  rpId: string;
  timeout: number;
  allowCredentials: DescriptorJson[];
  userVerification: string;
}

export interface RegistrationJson {
  id: string;
  rawId: string;
  type: string;
  response: { clientDataJSON: string; attestationObject: string };
}

export interface AssertionJson {
  id: string;
  rawId: string;
  type: string;
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle: string | null };
}

export function toBase64Url(bytes: ArrayBuffer): string {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** Browsers have passkeys on https and on localhost only. */
export function passkeysWork(): boolean {
  return typeof window.PublicKeyCredential === 'function' && window.isSecureContext;
}

const descriptors = (list: DescriptorJson[]): PublicKeyCredentialDescriptor[] =>
  list.map(({ id }) => ({ type: 'public-key', id: fromBase64Url(id) }));

/** Has the device make a passkey. */
export async function createPasskey(options: CreationOptionsJson): Promise<RegistrationJson> {
  const selection = options.authenticatorSelection;
  const made = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        rp: options.rp,
        user: { ...options.user, id: fromBase64Url(options.user.id) },
        challenge: fromBase64Url(options.challenge),
        pubKeyCredParams: options.pubKeyCredParams.map(({ alg }) => ({ type: 'public-key', alg })),
        timeout: options.timeout,
        excludeCredentials: descriptors(options.excludeCredentials),
        authenticatorSelection: {
          residentKey: selection.residentKey as ResidentKeyRequirement,
          requireResidentKey: selection.requireResidentKey,
          userVerification: selection.userVerification as UserVerificationRequirement,
        },
        attestation: options.attestation as AttestationConveyancePreference,
      },
    }),
  );
  const response = made.response as AuthenticatorAttestationResponse;
  return {
    ...named(made),
    response: {
      clientDataJSON: toBase64Url(response.clientDataJSON),
      attestationObject: toBase64Url(response.attestationObject),
    },
  };
}

/** Has the device sign with a passkey. */
export async function signWithPasskey(options: RequestOptionsJson): Promise<AssertionJson> {
  const used = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: fromBase64Url(options.challenge),
        rpId: options.rpId,
        timeout: options.timeout,
        allowCredentials: descriptors(options.allowCredentials),
        userVerification: options.userVerification as UserVerificationRequirement,
      },
    }),
  );
  const response = used.response as AuthenticatorAssertionResponse;
  return {
    ...named(used),
    response: {
      clientDataJSON: toBase64Url(response.clientDataJSON),
      authenticatorData: toBase64Url(response.authenticatorData),
      signature: toBase64Url(response.signature),
      userHandle: response.userHandle ? toBase64Url(response.userHandle) : null,
    },
  };
}

const named = (credential: PublicKeyCredential) => ({
  id: credential.id,
  rawId: toBase64Url(credential.rawId),
  type: credential.type,
});

async function ask(work: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (!passkeysWork()) {
    throw new ApiProblem(0, 'passkey_unsupported', 'Passkeys need a browser that has them, and https or localhost.');
  }
  try {
    const credential = await work();
    if (credential) return credential as PublicKeyCredential;
  } catch (error) {
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'InvalidStateError') {
      throw new ApiProblem(0, 'passkey_taken', 'This device has a passkey for this account already.');
    }
    if (name === 'SecurityError') {
      throw new ApiProblem(0, 'passkey_wrong_address', 'Passkeys work at the public address of this platform only.');
    }
    if (name !== 'NotAllowedError' && name !== 'AbortError') throw error;
  }
  throw new ApiProblem(0, 'passkey_cancelled', 'No passkey was used: it was cancelled, or took too long.');
}
