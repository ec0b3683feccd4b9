/** An error answer of the API (RFC 9457) or a failure to reach it. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Stable code; `network` when the server could not be reached. */
  readonly code: string;
  readonly detail: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.detail = detail;
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
  const { code, detail, title } = (typeof body === 'object' && body !== null ? body : {}) as Partial<
    Record<'code' | 'detail' | 'title', unknown>
  >;
  return new ApiProblem(
    status,
    typeof code === 'string' ? code : `http_${status}`,
    typeof detail === 'string' ? detail : typeof title === 'string' ? title : fallback || `HTTP ${status}`,
  );
}

export function networkProblem(cause: unknown): ApiProblem {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ApiProblem(0, 'network', detail);
}
