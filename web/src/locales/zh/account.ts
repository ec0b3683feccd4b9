/** Texts of entering, the own account and its safety. */
export const account = {};

/** What the errors of these pages mean, by code. */
export const accountErrors = {};
