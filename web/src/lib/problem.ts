/** An error answer of the API (RFC 9457) or a failure to reach it. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Stable code; `network` when the server could not be reached. */
  readonly code: string;
  readonly detail: string;
  /** The field of the request that the problem is about, where it is about one. */
  readonly field: string | undefined;
  /** All members of the document, such as the rule that a field breaks. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, detail: string, members: Record<string, unknown> = {}) {
    super(detail);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.field = typeof members.field === 'string' ? members.field : undefined;
    this.members = members;
  }
}

/** Reads a problem document, and copes with proxies that answer something else. */
export async function problemFrom(response: Response): Promise<ApiProblem> {
  return problemFromText(response.status, await response.text().catch(() => ''), response.statusText);
}

export function problemFromText(status: number, text: string, fallback: string): ApiProblem {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const members = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const { code, detail, title } = members;
  return new ApiProblem(
    status,
    typeof code === 'string' ? code : `http_${status}`,
    typeof detail === 'string' ? detail : typeof title === 'string' ? title : fallback || `HTTP ${status}`,
    members,
  );
}

export function networkProblem(cause: unknown): ApiProblem {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ApiProblem(0, 'network', detail);
}
