/**
 * The errors of the control API, with Toxiproxy's texts and status codes: clients of it compare
 * them. An error that is none of these is answered with 500 and its own text.
 */

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

export function badBody(why: string): ApiError {
  return new ApiError(400, `bad request body: ${why}`);
}

export function missingField(what: string): ApiError {
  return new ApiError(400, `missing required field: ${what}`);
}

export const invalidStream = (): ApiError =>
  new ApiError(400, "stream was invalid, can be either upstream or downstream");
export const invalidToxicType = (): ApiError => new ApiError(400, "invalid toxic type");
export const proxyNotFound = (): ApiError => new ApiError(404, "proxy not found");
export const toxicNotFound = (): ApiError => new ApiError(404, "toxic not found");
export const proxyExists = (): ApiError => new ApiError(409, "proxy already exists");
export const toxicExists = (): ApiError => new ApiError(409, "toxic already exists");
