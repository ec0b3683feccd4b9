import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Skeleton } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { pendingSignInQuery } from '@/api/entry';
import type { Me, SecondFactorChallenge } from '@/api/types';
import { ApiProblem } from '@/lib/problem';
import { safeReturnPath } from '@/lib/safe-url';
import { describeCode, useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import { LinkStep } from './link-step';
import { SecondStep } from './second-step';
import { SignInForm } from './sign-in-form';
import { forgetReturn, keptReturn } from './return-path';
import { useHashToken } from './use-link-token';

const route = getRouteApi('/sign-in');

/** Leads from the ways to sign in over the second step to the page that was wished for. */
export function SignInPage() {
  const { t } = useTranslation();
  const { to, error } = route.useSearch();
  const router = useRouter();
  const describe = useDescribe();
  const pendingToken = useHashToken('challenge');
  const linkToken = useHashToken('link');
  const [given, setGiven] = useState<SecondFactorChallenge>();
  const [restarted, setRestarted] = useState<string>();
  const [entered, setEntered] = useState(false);
  const waiting = given === undefined && pendingToken !== undefined && restarted === undefined;
  const pending = useQuery({ ...pendingSignInQuery(pendingToken ?? ''), enabled: waiting });

  const goOn = () => {
    const path = to ?? keptReturn();
    forgetReturn();
    router.history.replace(safeReturnPath(path));
  };
  const onAnswer = (answer: Me | SecondFactorChallenge) => {
    if ('challenge' in answer) setGiven(answer);
    else if (linkToken !== undefined) setEntered(true);
    else goOn();
  };
  const restart = (problem?: unknown) => {
    setGiven(undefined);
    setRestarted(problem instanceof ApiProblem ? describe(problem) : '');
  };

  if (entered && linkToken !== undefined) return <LinkStep token={linkToken} onDone={goOn} />;
  const challenge = given ?? (waiting ? pending.data : undefined);
  if (challenge) return <SecondStep challenge={challenge} onEntered={onAnswer} onRestart={restart} />;
  if (waiting && pending.isPending) {
    return (
      <EntryFrame title={t('secondStep.title')}>
        <Skeleton active />
      </EntryFrame>
    );
  }
  const problem =
    restarted ??
    (pending.isError && pendingToken !== undefined ? describe(pending.error) : undefined) ??
    (error === undefined ? undefined : describeCode(error, '') || t('common.failed'));
  return (
    <SignInForm
      title={linkToken === undefined ? t('identity.signIn') : t('entry.linkTitle')}
      hint={linkToken === undefined ? t('identity.signInHint') : t('entry.linkHint')}
      problem={problem}
      returnTo={to}
      onAnswer={onAnswer}
    />
  );
}
