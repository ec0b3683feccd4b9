import type { components } from './schema';

/** The API's shapes under the names that the app uses; all generated from its OpenAPI document. */
type Schemas = components['schemas'];

/** Every list answers so. */
export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export type SetupState = Schemas['SetupState'];
export type Me = Schemas['Me'];
export type Session = Schemas['Session'];
export type ApiKey = Schemas['ApiKey'];
export type CreatedApiKey = Schemas['CreatedApiKey'];
export type User = Schemas['User'];

/** The part of JSON Schema that provider forms are made from. */
export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
}

export type CatalogueProvider = Omit<Schemas['CatalogueEntry'], 'config_schema'> & { config_schema: JsonSchema };
export type ProviderScope = Schemas['ProviderScope'];
export type Provider = Schemas['ProviderView'];
export type ProviderTest = Schemas['ProviderTest'];
export type ModelKind = Schemas['ModelKind'];
export type Model = Schemas['ModelView'];

export type UsageGroup = 'day' | 'model' | 'provider' | 'user' | 'purpose';
export type UsageRow = Schemas['UsageSum'];
export type UsageSummary = Schemas['UsageSummary'];
export type UsageCall = Schemas['UsageCall'];

export type Conversation = Schemas['Conversation'];
export type Citation = Schemas['Citation'];
export type MessageStatus = Schemas['MessageStatus'];
export type Message = Schemas['Message'];
export type MessagePage = Schemas['MessagePage'];
export type SentMessage = Schemas['Sent'];
export type Explanation = Schemas['Explanation'];

export type KnowledgeBase = Schemas['KnowledgeBase'];
export type KnowledgeDocument = Schemas['Document'];
export type DocumentStage = Schemas['Stage'];
export type DocumentText = Schemas['DocumentText'];
export type RetrievedChunk = Schemas['RetrievedChunk'];
export type SearchAnswer = Schemas['SearchAnswer'];

/** Values before and after a change, by column. */
type Values = Record<string, unknown> | null;
export type AuditEntry = Omit<Schemas['AuditLog'], 'old_values' | 'new_values'> & {
  old_values?: Values;
  new_values?: Values;
};
export type SystemStatus = Schemas['SystemStatus'];
export type FailedJob = Schemas['FailedJob'];
