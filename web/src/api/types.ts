import type { components } from './schema';

/** The API's shapes under the names that the app uses; all generated from its OpenAPI document. */
type Schemas = components['schemas'];

/** Every list answers so. */
export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export type SetupState = Schemas['SetupState'];
export type Me = Omit<Schemas['Me'], 'preferences'> & { preferences: Record<string, unknown> };
export type Session = Schemas['Session'];
export type SignInMethods = Schemas['SignInMethods'];
export type SecondFactorChallenge = Schemas['SecondFactorChallenge'];
export type RegistrationState = Schemas['RegistrationState'];
export type InvitationView = Schemas['InvitationView'];
export type SecondFactors = Schemas['SecondFactors'];
export type TotpSecret = Schemas['TotpSecret'];
export type RecoveryCodes = Schemas['RecoveryCodes'];
export type Passkey = Schemas['Passkey'];
export type NewPasskey = Schemas['NewPasskey'];
export type OidcAccount = Schemas['OidcAccount'];
export type DataExport = Schemas['DataExport'];
export type OwnQuota = Schemas['Quota'];
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
  maxLength?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  /** The address that each value of an enumeration stands for. */
  'x-base-urls'?: Record<string, string>;
}

export type CatalogueProvider = Omit<Schemas['CatalogueEntry'], 'config_schema'> & { config_schema: JsonSchema };
export type ProviderScope = Schemas['ProviderScope'];
export type Provider = Schemas['ProviderView'];
export type ProviderTest = Schemas['ProviderTest'];
export type ModelKind = Schemas['ModelKind'];
export type Model = Schemas['ModelView'];
export type OfferedModel = Schemas['ListedModel'];
export type AddedModel = Schemas['AddedModel'];
export type KnownModel = Schemas['KnownModel'];

export type UsageGroup = 'day' | 'model' | 'provider' | 'provider_config' | 'user' | 'group' | 'api_key' | 'purpose' | 'end_user';
export type UsageRow = Schemas['UsageSum'];
export type UsageSummary = Schemas['UsageSummary'];
export type UsageCall = Schemas['UsageCall'];
export type CallPayload = Schemas['CallPayload'];
export type LogPayloads = Schemas['LogPayloads'];
export type Reconciliation = Schemas['Reconciliation'];
export type ReconciliationDifference = Schemas['ReconciliationDifference'];
export type LiveOverall = Schemas['LiveOverall'];
export type LiveView = Schemas['LiveView'];
export type LiveCall = Schemas['LiveCall'];
export type LiveCount = Schemas['LiveCount'];

export type ModelRoute = Schemas['ModelRoute'];
export type ModelRouteScope = Schemas['ModelRouteScope'];
export type RouteTarget = Schemas['ModelRouteTarget'];
export type RouteTargetInput = Schemas['ModelRouteTargetInput'];
/** All have defaults, so what is sent may lack any. */
export type RouteSettings = Partial<Schemas['ModelRouteSettings']>;
export type FallbackCause = Schemas['FallbackCause'];
export type TargetHealth = Schemas['TargetHealth'];

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
export type SystemLog = Omit<Schemas['SystemLog'], 'extra_data'> & { extra_data: Record<string, unknown> };

export type Role = Schemas['Role'];
export type AssignedRole = Schemas['AssignedRole'];
export type Group = Schemas['Group'];
export type GroupMember = Schemas['GroupMember'];
export type Invitation = Schemas['Invitation'];
export type CreatedInvitation = Schemas['CreatedInvitation'];
export type MadeLink = Schemas['MadeLink'];
export type OidcProvider = Schemas['OidcProvider'];
export type ScimToken = Schemas['ScimToken'];
export type ScimTokens = Schemas['ScimTokens'];
export type CreatedScimToken = Schemas['CreatedScimToken'];
export type AccessExplanation = Schemas['AccessExplanation'];
export type AccessFinding = Schemas['AccessFinding'];
export type AccessReason = Schemas['Reason'];
/** The name of what a field is held to. */
export type Rule = Schemas['FieldRule']['rule'];

export type Distribution = Schemas['Distribution'];
export type ProviderAudience = Schemas['ProviderAudience'];
export type AvailableProvider = Schemas['AvailableProvider'];
export type ModelPrice = Schemas['ModelPrice'];
export type PriceTier = Schemas['PriceTier'];
export type Quota = Schemas['Quota'];
export type QuotaResource = Schemas['QuotaResource'];
export type QuotaInput = Schemas['SetQuota'];
export type RateLimit = Schemas['RateLimit'];
export type RateInput = Schemas['SetRateLimit'];
export type KnowledgeBaseGrant = Schemas['KnowledgeBaseGrant'];
export type AuditChain = Schemas['AuditChain'];
export type AuditVerification = Schemas['AuditVerification'];
