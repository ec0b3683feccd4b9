/** Texts of sharing, prices, quotas, limits and the audit log. */
export const control = {};

/** What the errors of these pages mean, by code. */
export const controlErrors = {};
