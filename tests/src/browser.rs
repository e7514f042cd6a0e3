//! Chromium, driven the way a person uses a page: things are found by what they are and what they say.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;
use thirtyfour::{common::capabilities::chromium::ChromiumLikeCapabilities, prelude::*};

use crate::{browser_net::BrowserNet, clients, until};

/// How long a page may take to show what it was asked for, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(30);

const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    "--force-prefers-reduced-motion",
];

/// A browser with an empty profile; it ends when this is dropped.
pub struct Browser {
    pub driver: WebDriver,
    base: String,
    _net: BrowserNet,
    _profile: TempDir,
}

impl Drop for Browser {
    /// Its own end would ask for minutes after a browser that is gone; the browser ends with its network.
    fn drop(&mut self) {
        let _ = self.driver.clone().leak();
    }
}

impl Browser {
    /// Opens a browser for the server at `base`.
    pub async fn open(base: &str) -> Result<Self> {
        let net = BrowserNet::open(base).await?;
        let profile = tempfile::tempdir()?;
        let mut wishes = DesiredCapabilities::chrome();
        wishes.set_binary("/usr/bin/chromium")?;
        for flag in FLAGS {
            wishes.add_arg(flag)?;
        }
        wishes.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        let driver = until("chromedriver does not answer", Duration::from_secs(30), || async {
            Ok(Some(WebDriver::new(&net.driver, wishes.clone()).await?))
        })
        .await
        .with_context(|| net.log())?;
        Ok(Self { driver, base: base.to_owned(), _net: net, _profile: profile })
    }

    /// Ends the browser in order.
    pub async fn close(self) -> Result<()> {
        Ok(self.driver.clone().quit().await?)
    }

    /// Saves a picture of where a test failed, beside the error.
    pub async fn failed_at<T>(&self, name: &str, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.shoot(&format!("failed-{name}")).await?;
        }
        outcome
    }

    /// Goes to a path of the server.
    pub async fn visit(&self, path: &str) -> Result<()> {
        Ok(self.driver.goto(format!("{}{path}", self.base)).await?)
    }

    /// Waits until the page shows this text.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.sees_within(text, SOON).await
    }

    /// The same with a limit of its own.
    pub async fn sees_within(&self, text: &str, limit: Duration) -> Result<()> {
        let wanted = text.to_lowercase();
        let seen = until(&format!("the page does not say {text:?}"), limit, || async {
            Ok(self.text().await?.to_lowercase().contains(&wanted).then_some(()))
        })
        .await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("it says:\n{}", self.text().await.unwrap_or_default()))),
        }
    }

    /// The text of the page as a person sees it.
    pub async fn text(&self) -> Result<String> {
        let value = self.driver.execute("return document.body.innerText", vec![]).await?;
        Ok(value.convert()?)
    }

    /// Clicks a button or link by its name: its text, `aria-label` or title.
    pub async fn click(&self, name: &str) -> Result<()> {
        let path = format!(
            "//*[self::button or self::a or self::summary or @role='button' or @role='link' or @role='menuitem' or @role='tab']\
             [normalize-space(.)={0} or @aria-label={0} or @title={0}]",
            quoted(name)
        );
        self.press(&path, name).await
    }

    /// Clicks the first element of an XPath that can be clicked.
    pub async fn press(&self, path: &str, name: &str) -> Result<()> {
        let found = until(&format!("nothing to click is called {name:?}"), SOON, || async {
            for element in self.driver.find_all(By::XPath(path)).await? {
                if element.is_displayed().await? && element.is_enabled().await? {
                    element.click().await?;
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await;
        match found {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("the page says:\n{}", self.text().await.unwrap_or_default()))),
        }
    }

    /// Whether a button or link of this name is shown.
    pub async fn offers(&self, name: &str) -> Result<bool> {
        let path = format!(
            "//*[self::button or self::a or @role='button'][normalize-space(.)={0} or @aria-label={0} or @title={0}]",
            quoted(name)
        );
        for element in self.driver.find_all(By::XPath(path)).await? {
            if element.is_displayed().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names of all buttons that are shown and can be pressed.
    pub async fn buttons(&self) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll('button, [role=button], input[type=submit]')]\
            .filter(b => b.offsetParent && !b.disabled && b.getAttribute('aria-disabled') !== 'true')\
            .map(b => (b.getAttribute('aria-label') || b.innerText || b.title || '').trim())";
        Ok(self.driver.execute(script, vec![]).await?.convert()?)
    }

    /// Types into the field of this label, over what is there.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let path = format!(
            "//*[self::input or self::textarea or self::select][@id=//label[contains(normalize-space(.),{0})]/@for] \
             | //label[contains(normalize-space(.),{0})]//*[self::input or self::textarea or self::select] \
             | //*[self::input or self::textarea][@aria-label={0} or @placeholder={0}]",
            quoted(label)
        );
        until(&format!("no field is called {label:?}"), SOON, || async {
            let Some(field) = self.driver.find_all(By::XPath(path.as_str())).await?.into_iter().next() else {
                return Ok(None);
            };
            field.click().await?;
            field.send_keys(Key::Control + "a").await?;
            field.send_keys(text).await?;
            Ok(Some(()))
        })
        .await
    }

    /// The page's path.
    pub async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Sets the window and the theme, as the dashboard keeps it.
    pub async fn look(&self, width: u32, theme: &str) -> Result<()> {
        self.driver.set_window_rect(0, 0, width, 900).await?;
        self.driver.execute("localStorage.setItem('drydock.theme', arguments[0])", vec![theme.into()]).await?;
        self.driver.refresh().await?;
        Ok(())
    }

    /// Saves what is shown under the folder of screenshots.
    pub async fn shoot(&self, name: &str) -> Result<()> {
        let folder = std::env::var_os("DRYDOCK_TEST_SHOTS")
            .map_or_else(|| std::env::temp_dir().join("drydock-screenshots"), PathBuf::from);
        std::fs::create_dir_all(&folder)?;
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await?;
        Ok(())
    }

    /// axe-core's findings of impact serious or critical on the page as it is now: WCAG A and AA, best practice.
    pub async fn barriers(&self) -> Result<Vec<String>> {
        // Over the debugging protocol: the page's own policy forbids foreign scripts, and shall.
        self.driver.execute(clients::axe()?, vec![]).await?;
        let script = "const done = arguments[0]; \
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }).then(r => done(r.violations\
            .filter(v => ['serious', 'critical'].includes(v.impact))\
            .map(v => v.id + ' (' + v.impact + ', ' + v.nodes.length + '): ' + v.nodes[0].html.slice(0, 160) + ' :: ' \
            + v.nodes[0].failureSummary.slice(0, 240).replaceAll('\\n', ' '))))";
        Ok(self.driver.execute_async(script, vec![]).await?.convert()?)
    }
}

/// A text as an XPath literal.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
