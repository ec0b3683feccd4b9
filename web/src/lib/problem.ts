/** An error answer of the API (RFC 9457) or a failure to reach it. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Stable code; `network` when the server could not be reached. */
  readonly code: string;
  readonly detail: string;
  /** The field of the request that the problem is about, where it is about one. */
  readonly field: string | undefined;

  constructor(status: number, code: string, detail: string, field?: string) {
    super(detail);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.field = field;
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
  const { code, detail, title, field } = (typeof body === 'object' && body !== null ? body : {}) as Partial<
    Record<'code' | 'detail' | 'title' | 'field', unknown>
  >;
  return new ApiProblem(
    status,
    typeof code === 'string' ? code : `http_${status}`,
    typeof detail === 'string' ? detail : typeof title === 'string' ? title : fallback || `HTTP ${status}`,
    typeof field === 'string' ? field : undefined,
  );
}

export function networkProblem(cause: unknown): ApiProblem {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ApiProblem(0, 'network', detail);
}
