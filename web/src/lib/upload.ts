import { apiUrl, CLIENT_HEADER, refreshSession } from './http';
import { ApiProblem, problemFromText } from './problem';

export interface UploadOptions {
  path: string;
  file: File;
  signal?: AbortSignal;
  /** Share of the bytes sent, 0 to 1. */
  onProgress: (share: number) => void;
}

/** Sends one file as multipart. XMLHttpRequest, because fetch reports no upload progress. */
export async function upload<T>(options: UploadOptions): Promise<T> {
  try {
    return await attempt<T>(options);
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401 && (await refreshSession())) {
      return attempt<T>(options);
    }
    throw error;
  }
}

function attempt<T>({ path, file, signal, onProgress }: UploadOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', apiUrl(path));
    for (const [name, value] of Object.entries(CLIENT_HEADER)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as T);
      else reject(problemFromText(request.status, request.responseText, request.statusText));
    };
    request.onerror = () => reject(new ApiProblem(0, 'upload_interrupted', 'The upload was interrupted. The file may be larger than the server accepts.'));
    request.onabort = () => reject(new ApiProblem(0, 'cancelled', 'Cancelled'));
    signal?.addEventListener('abort', () => request.abort());
    const form = new FormData();
    form.append('file', file, file.name);
    request.send(form);
  });
}
